"""The labs there are: folders NN_slug, each with its text and its check."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from itertools import pairwise
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.item import Answer, Artifact, Lesson, Shape
from oneblock.compilers.api.wheels import missing
from oneblock.workloads.ops.nearest import unknown

LABS = Path(__file__).parents[2] / "labs"
_FOLDER = re.compile(r"\d\d_[a-z0-9_]+")
_LOADING = RLock()  # a file may load another, and several labs may be asked for at once
_CELL = re.compile(r"^# %%.*$", re.MULTILINE)


@dataclass(frozen=True)
class Lab:
    """A lab of the folder, and what index.toml says of it."""

    folder: Path
    title: str
    minutes: int
    modules: tuple[str, ...]
    needs: tuple[str, ...]  #: extras; the light environment is enough for the rest of it

    @property
    def name(self) -> str:
        """The folder's: "01_ridge"."""
        return self.folder.name

    @property
    def number(self) -> int:
        """The folder's."""
        return int(self.name[:2])

    @property
    def lesson(self) -> Lesson:
        """What its check.py declares."""
        found = module(self.folder / "check.py").LESSON
        assert isinstance(found, Lesson)
        return found

    def absent(self) -> dict[str, list[str]]:
        """By extra what it needs and is not here; nothing is imported to say so."""
        try:
            lacks = {extra: missing(extra) for extra in self.needs}
        except PackageNotFoundError:  # the tree as it stands, uninstalled: nothing says what an extra is
            return {}
        return {extra: packages for extra, packages in lacks.items() if packages}

    def source(self) -> str:
        """Its text, solutions included."""
        return (self.folder / "lab.py").read_text(encoding="utf-8")

    def starter(self, shape: str) -> str:
        """A learner's copy of the text: with a shape of one's own, and without solutions."""
        kept = []
        for cell in cells(self.source()):
            tags = tagged(cell)
            if "shape" in tags:
                kept.append(f"{cell.splitlines()[0]}\nSHAPE = {shape}\n\n")
            elif "solution" not in tags:
                kept.append(cell)
        return "".join(kept)

    def solution(self) -> str:
        """The text as somebody hands it in who has solved it."""
        return "".join(cell for cell in cells(self.source()) if "make" not in tagged(cell))

    def solve(self, shape: Shape, artifact: Artifact) -> Mapping[str, Answer]:
        """The answers of its cell "answers": the rest of the text may need what its toolchain alone has."""
        code = "".join(cell for cell in cells(self.source()) if "answers" in tagged(cell))
        names: dict[str, Any] = {}
        exec(compile(code, str(self.folder / "lab.py"), "exec"), names)  # nosec B102  our own text
        answers: Mapping[str, Answer] = names["solve"](shape, artifact)
        return answers

    def wrong(self) -> list[Path]:
        """Answers that must be caught."""
        return sorted((self.folder / "wrong").glob("*.py"))


def cells(source: str) -> Iterator[str]:
    """The cells of a py:percent text, each with its line that begins with # %%; what stands before the first too."""
    starts = [0, *(found.start() for found in _CELL.finditer(source) if found.start()), len(source)]
    yield from (source[start:end] for start, end in pairwise(starts))


def tagged(cell: str) -> list[str]:
    """The tags of a cell."""
    found = re.match(r"# %%.*tags=\[(.*)\]", cell)
    return re.findall(r'"(\w+)"', found[1]) if found else []


@cache
def labs() -> list[Lab]:
    """Every lab, in order: the folders of labs/, with what index.toml says of each."""
    index = tomllib.loads((LABS / "index.toml").read_text(encoding="utf-8"))["lab"]
    folders = sorted(path for path in LABS.iterdir() if _FOLDER.fullmatch(path.name) and (path / "check.py").exists())
    found = []
    for folder in folders:
        about = index[folder.name]
        found.append(Lab(folder, about["title"], about["minutes"], tuple(about["modules"]), tuple(about["needs"])))
    return found


def named(text: str) -> Lab:
    """The lab of a number or a name; Refused names those there are."""
    for one in labs():
        if text == one.name or (text.isdecimal() and text.isascii() and len(text) <= 2 and int(text) == one.number):
            return one
    raise Refused(unknown("lab", text, [one.name for one in labs()]))


def module(path: Path) -> ModuleType:
    """A file of a lab, by its place: its folder's name is no name of Python's."""
    name = "_".join(["oneblock_lab", *path.with_suffix("").parts[-3:]])  # labs have wrong answers of one name
    with _LOADING:
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None
            assert spec.loader is not None
            made = importlib.util.module_from_spec(spec)
            sys.modules[name] = made
            spec.loader.exec_module(made)
        return sys.modules[name]
