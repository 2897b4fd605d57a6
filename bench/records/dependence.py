"""What an outcome depends on: the files that make it, found by following imports, and the versions of a toolchain.

Editing anything else - a table, a plot, the README, another backend - leaves a record what it was.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from oneblock import backends
from oneblock.backends.api.backend import Fingerprinted, Unavailable

ROOT = Path(__file__).resolve().parent.parent.parent
# What a number may depend on, of what a toolchain requires; what it requires beside them changes no program.
PACKAGES = (
    "numpy", "ml_dtypes", "torch", "triton", "jax", "jaxlib", "libtpu", "torch_xla", "apache-tvm", "neuronx-cc", "nki",
    "torch-neuronx",
)  # fmt: skip
_ALWAYS = ("numpy", "ml_dtypes")  # arrays, references and checks are made with them
_WHOLE = ("workloads", "bench/worker")  # on which all outcomes depend
_REGISTRY = "backends/__init__.py"  # which imports by name the one backend that is asked for
_MODULE = re.compile(r"oneblock(\.\w+)+")
_REQUIRED = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@cache
def software(backend: str, ops_set: str) -> dict[str, str | None]:
    """What an outcome of a backend depends on but its cell and machine, by name: versions, and a hash of our source."""
    found: dict[str, str | None] = {"python": platform.python_version(), "source_sha256": source_hash(backend)}
    found |= installed(_ALWAYS)
    try:
        loaded = backends.load(backend)
    except (LookupError, Unavailable):  # its record says so, and depends on no toolchain
        return found
    found |= installed(_of_extra(backend))
    return found | (loaded.fingerprint(ops_set) if isinstance(loaded, Fingerprinted) else {})


def installed(distributions: Iterable[str]) -> dict[str, str | None]:
    """The versions of distributions; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _of_extra(backend: str) -> Iterator[str]:
    """The distributions of a backend's extra, and of what these require those of `PACKAGES`.

    Of a third party's backend that is its own distribution in the place of an extra. Without any list of what is
    required (the tree runs as it stands, uninstalled) it is all that a number may depend on.
    """
    point = backends.registered().points.get(backend)
    try:
        direct = list(_required("oneblock", [backend]) if point is None else [(point.package, [])])
    except PackageNotFoundError:
        yield from PACKAGES
        return
    known = {_canonical(name): name for name in PACKAGES}
    todo, seen = list(direct), set()
    yield from (known.get(_canonical(name), name) for name, _ in direct)
    while todo:
        name, extras = todo.pop()
        if (_canonical(name), *extras) in seen:
            continue
        seen.add((_canonical(name), *extras))
        try:
            more = [*_required(name, extras), *(_required(name, []) if extras else ())]
        except PackageNotFoundError:
            continue
        todo += more
        yield from (known[_canonical(one)] for one, _ in more if _canonical(one) in known)


def _required(distribution: str, extras: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(distribution, its extras) that some extras of a distribution require; without extras, that itself requires."""
    wanted = {_canonical(extra) for extra in extras}
    for text in requires(distribution) or ():
        need, _, marker = text.partition(";")
        of = _EXTRA.search(marker)
        found = _REQUIRED.match(need.strip())
        if found is None or (of is None) != (not wanted) or (of is not None and _canonical(of[1]) not in wanted):
            continue
        name, its = found[1], [extra.strip() for extra in (found[2] or "").split(",") if extra.strip()]
        yield from _required(distribution, its) if _canonical(name) == _canonical(distribution) else [(name, its)]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def source_hash(backend: str) -> str:
    """A hash of the files that a backend's outcomes depend on."""
    total = hashlib.sha256()
    for path in sources(backend):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        total.update(name.encode() + path.read_bytes())
    return total.hexdigest()[:16]


@cache
def sources(backend: str) -> tuple[Path, ...]:
    """The files that a backend's outcomes depend on: workloads, the worker, the backend and what they import.

    Imports inside functions count, and so does a module that is named in a text, as a child process is. A file that
    imports by computed names stands for its folder, but for the registry of backends.
    """
    todo = [path for folder in _WHOLE for path in sorted((ROOT / folder).rglob("*.py"))] + list(_own(backend))
    found: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        modules, by_name = _imports(path.read_bytes())
        todo += [file for module in modules for file in _files(module)]
        if by_name and path.is_relative_to(ROOT) and path != ROOT / _REGISTRY:
            todo += path.parent.rglob("*.py")
    return tuple(sorted(found))


def _own(backend: str) -> Iterator[Path]:
    """The backend's own file; of a third party's all of its package."""
    own = ROOT / "backends" / f"{backend}.py"
    point = backends.registered().points.get(backend)
    if own.is_file():
        yield own
    elif point is not None and (spec := find_spec(point.entry.module.partition(".")[0])) is not None:
        folders = spec.submodule_search_locations
        yield from (path for folder in folders for path in Path(folder).rglob("*.py")) if folders else ()
        yield from [Path(spec.origin)] if spec.origin is not None and not folders else ()


@cache
def _imports(source: bytes) -> tuple[frozenset[str], bool]:
    """(the modules of ours that a source names, whether it imports modules by computed names)."""
    modules: set[str] = set()
    by_name = False
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            modules.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            modules.add(node.value)
        elif isinstance(node, ast.Call):
            computed = not (node.args and isinstance(node.args[0], ast.Constant))
            by_name |= computed and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module"
    return frozenset(name for name in modules if name.startswith("oneblock.")), by_name


def _files(module: str) -> Iterator[Path]:
    """A module's file and those of the packages that it is in; nothing for a name that is no module, as a class is."""
    base = ROOT.joinpath(*module.split(".")[1:])
    if base.with_suffix(".py").is_file() or (base / "__init__.py").is_file():
        yield from [base.with_suffix(".py")] if base.with_suffix(".py").is_file() else [base / "__init__.py"]
        parents = [ROOT.joinpath(*module.split(".")[1:n]) for n in range(2, len(module.split(".")))]
        yield from (parent / "__init__.py" for parent in parents if (parent / "__init__.py").is_file())
