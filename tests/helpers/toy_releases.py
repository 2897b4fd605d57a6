"""A package index of one's own on this disk, with wheels of a compiler whose releases differ, and a backend of it."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.oneblock_process import publish

BACKEND = """
import os
from oneblock.backends.api.backend import Availability, Compiled
from oneblock.backends.reference import Reference
from oneblock.compilers import Artifact, Lowering, Stage
from oneblock.compilers.api.facts import Facts, StepFacts
from oneblock.compilers.api.kind import Kind

class Toy(Reference):
    name = "toy"
    platforms = ("cuda",)
    def probe(self, target):
        return Availability(Kind.COMPILED, "elsewhere")
    def compile(self, workload, case, arrays, ops_set, target):
        import toychain, toylib
        if toychain.ABORTS:
            os.abort()
        scratch = toychain.SCRATCH * toylib.FACTOR
        steps = (StepFacts("norm1", 1, 4.0, 32.0, 10.0), StepFacts("attention", 1, 4.0, 64.0, float(scratch)))
        facts = Facts(flops=8.0, scratch_bytes=scratch, steps=steps)
        stages = (Artifact(Stage.OPTIMIZED, "toyir", toychain.TEXT or f"scratch {scratch}"),)
        passes = tuple(Artifact(Stage.OPTIMIZED, f"toyir:{name}", text) for name, text in (
            ("000.before.Parse", "a program"), ("001.after.Parse", "a tree"), ("002.after.Grow", f"scratch {scratch}"),
        ))
        return Compiled(None, lambda detail: Lowering((*(passes if detail == "all" else ()), *stages), facts))

X = Toy()
"""
_MODULE = "SCRATCH, ABORTS, TEXT = {scratch}, {aborts}, {text!r}\n"


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], tag: str = "py3-none-any", *needs: str
) -> Path:
    """A wheel of these files, as indexes have them."""
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {one}\n" for one in needs)
    of = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    hashes = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in of.items()}
    rows = [f"{path},sha256={hashes[path].rstrip(b'=').decode()},{len(of[path].encode())}" for path in of]
    of[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as members:
        for inner, text in of.items():
            members.writestr(inner, text)
    return path


class ToyIndex:
    """An index that pip reads: a page for each package, with a link to each wheel."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.links = folder, dict[str, list[str]]()

    def add(self, path: Path, yanked: str | None = None) -> None:
        """A wheel; `yanked` is the reason why it was, where it was."""
        name = path.name.partition("-")[0]
        page = self.folder / name
        page.mkdir(parents=True, exist_ok=True)
        path = path.rename(page / path.name)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        mark = "" if yanked is None else f' data-yanked="{yanked}"'
        self.links.setdefault(name, []).append(f'<a href="{path.name}#sha256={sha256}"{mark}>{path.name}</a>')
        (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{' '.join(self.links[name])}</body></html>")

    @property
    def settings(self) -> dict[str, str]:
        """Of pip: this index and no other."""
        return {
            "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": self.folder.as_uri(), "PIP_FIND_LINKS": "",
            "PIP_EXTRA_INDEX_URL": "", "PIP_NO_CACHE_DIR": "1",
        }  # fmt: skip


def toychain(folder: Path, version: str, scratch: int, text: str = "", *, aborts: bool = False, more: str = "") -> Path:
    """A release of the compiler, whose programs take so much scratch."""
    module = _MODULE.format(scratch=scratch, aborts=aborts, text=text) + more
    return wheel(folder, "toychain", version, {"toychain/__init__.py": module})


def toy_index(folder: Path) -> ToyIndex:
    """An index with good releases, of which 1.4 takes more, and one of each kind that goes wrong."""
    index = ToyIndex(folder / "simple")
    for version, scratch in {"1.0": 64, "1.1": 64, "1.2": 64, "1.4": 128, "1.5": 128}.items():
        index.add(toychain(folder, version, scratch))
    index.add(toychain(folder, "1.3", 64), yanked="miscompiles")
    index.add(wheel(folder, "toychain", "2.0", {"toychain/__init__.py": ""}, "cp39-cp39-win32"))
    index.add(wheel(folder, "toychain", "2.1", {"toychain/__init__.py": ""}, "cp313-none-any"))
    index.add(toychain(folder, "3.0", 64, more="import a_library_that_nobody_has\n"))
    index.add(toychain(folder, "3.1", 64, more="import os; os.abort()\n"))
    index.add(toychain(folder, "3.2", 64, aborts=True))
    index.add(toychain(folder, "4.0", 96, text="the same"))
    index.add(toychain(folder, "4.1", 99, text="the same"))
    for version, factor in {"1.0": 1, "2.0": 3}.items():
        index.add(wheel(folder, "toylib", version, {"toylib/__init__.py": f"FACTOR = {factor}\n"}))
    index.add(wheel(folder, "toylib", "3.0", {"toylib/__init__.py": "FACTOR = 1\n"}, "py3-none-any", "toychain<1.2"))
    return index


def install_toy(folder: Path) -> dict[str, str]:
    """An environment with the backend and an index, and nothing yet of the compiler; its cache is its own."""
    (made := folder / "wheels").mkdir()
    env = publish(folder, "toy_backend", BACKEND, {"oneblock.backends": {"toy": "X"}})
    (folder / "toylib.py").write_text("FACTOR = 1\n")
    return {**env, **toy_index(made).settings, "XDG_CACHE_HOME": str(folder / "cache")}
