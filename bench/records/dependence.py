"""What an outcome depends on: the files that make it, found by following imports, and the versions of a toolchain.

Editing anything else - a table, a plot, the README, another backend, workload, chip or preset - leaves a record what it
was.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from oneblock import backends, workloads
from oneblock.backends.api.backend import Fingerprinted
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell, digest
from oneblock.workloads.models import families
from oneblock.workloads.ops.third_party import Point

ROOT = Path(__file__).resolve().parent.parent.parent
# What a number may depend on, of what a toolchain requires; what it requires beside them changes no program.
PACKAGES = (
    "numpy", "ml_dtypes", "torch", "triton", "jax", "jaxlib", "libtpu", "torch_xla", "apache-tvm", "neuronx-cc", "nki",
    "torch-neuronx",
)  # fmt: skip
_ALWAYS = ("numpy", "ml_dtypes")  # arrays, references and checks are made with them
# Where an outcome is made, with the limits that it is held against; what these import is followed.
_MAKERS = tuple(
    f"bench/worker/{name}.py" for name in ("reference_job", "judge_job", "launch", "limits_job", "main", "measure_job")
)
# These import by its name the one thing that is asked for, which is added where an outcome depends on it: the backend
# and the workload of a cell, the family of its checkpoint, the chip of its target. The jobs are above.
_REGISTRIES = (
    "backends/__init__.py", "bench/worker/main.py", "compilers/chips/__init__.py", "compilers/dialects/__init__.py",
    "workloads/__init__.py", "workloads/models/__init__.py",
)  # fmt: skip
_MAKE_NONE = ("bench/records/dependence.py", "bench/records/history.py")  # the latter reads records of older schemas
_MODULE = re.compile(r"oneblock(\.\w+)+")
_REQUIRED = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def software(cell: Cell, stated: Mapping[str, str | None] = MappingProxyType({})) -> dict[str, str | None]:
    """What a cell's outcome depends on but the cell and its machine, by name: versions, and a hash of our source.

    `stated` is what the backend of a third party says besides: its code is not for this process.
    """
    backend, workload = cell.backend, cell.case.workload
    family = None if cell.weights is None else cell.case.config.family
    found: dict[str, str | None] = {"python": platform.python_version()}
    found["source_sha256"] = source_hash(backend, workload, family)
    if family is not None and _point("workloads/models", family) is not None:
        found |= installed(_distributions("workloads/models", family))
    return {**found, **versions(backend, cell.ops_set, workload), **stated, **_of_chip(cell.target)}


def _of_chip(target: Target) -> dict[str, str | None]:
    """A hash of what is stated of the chip that a target names; nothing where it names none."""
    return {} if target.chip is None else {"chip_sha256": digest(repr(target.chip))}


@cache
def versions(backend: str, ops_set: str, workload: str) -> dict[str, str | None]:
    """Those of the distributions that make an outcome, and what else a backend of ours says that it depends on."""
    found = installed(_ALWAYS) | installed(_distributions("backends", backend))
    if _point("workloads", workload) is not None:
        found |= installed(_distributions("workloads", workload))
    own = backends.ours(backend) if backend in backends.own() else None
    return found | (own.fingerprint(ops_set) if isinstance(own, Fingerprinted) else {})


def installed(distributions: Iterable[str]) -> dict[str, str | None]:
    """The versions of distributions; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _point(folder: str, name: str) -> Point | None:
    """Who registered the backend, the workload or the family of a name; None of one of ours."""
    registries = {"backends": backends.registered, "workloads": workloads.registered, "workloads/models": families}
    return registries[folder]().points.get(name)


def _distributions(folder: str, name: str) -> Iterator[str]:
    """The distributions that the extra of a name requires, and of what these require those of `PACKAGES`.

    Of a third party's backend or workload the first are its own distribution, all that this requires, and what it
    requires for an extra of that name. Without any list of what is required (the tree runs as it stands, uninstalled)
    it is all that a number may depend on.
    """
    point = _point(folder, name)
    package = "oneblock" if point is None else point.package
    try:
        direct = list(_required(package, [name]))
        direct += [] if point is None else [(package, []), *_required(package, [])]
    except PackageNotFoundError:
        yield from PACKAGES
        return
    known = {_canonical(name): name for name in PACKAGES}
    todo, seen = list(direct), set()
    yield from (known.get(_canonical(one), one) for one, _ in direct if _canonical(one) != "oneblock")
    while todo:
        required, extras = todo.pop()
        if (_canonical(required), *extras) in seen:
            continue
        seen.add((_canonical(required), *extras))
        try:
            more = [*_required(required, extras), *(_required(required, []) if extras else ())]
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
def source_hash(backend: str, workload: str, family: str | None = None) -> str:
    """A hash of the files that outcomes depend on: see `sources`."""
    total = hashlib.sha256()
    for path in sources(backend, workload, family):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        total.update(name.encode() + path.read_bytes())
    return total.hexdigest()[:16]


@cache
def sources(backend: str, workload: str, family: str | None = None) -> tuple[Path, ...]:
    """The files that outcomes depend on: the worker's, the backend, the workload, a checkpoint's family, their imports.

    Imports inside functions count, and so does a module that is named in a text, as a child process is. A file that
    imports by computed names stands for its folder, but for registries.
    """
    todo = [ROOT / name for name in _MAKERS] + [*_own("backends", backend), *_own("workloads", workload)]
    todo += [] if family is None else _own("workloads/models", family)
    registries, found = {ROOT / name for name in _REGISTRIES}, {ROOT / name for name in _MAKE_NONE}
    followed: set[str] = set()
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        modules, by_name = _imports(path.read_bytes())
        todo += [file for module in modules - followed for file in _files(module)]
        followed |= modules
        if by_name and path.is_relative_to(ROOT) and path not in registries:
            todo += path.parent.rglob("*.py")
    return tuple(sorted(found - {ROOT / name for name in _MAKE_NONE}))


def _own(folder: str, name: str) -> Iterator[Path]:
    """The file of a name in a registry's folder; of what a third party registered all of its package."""
    own = ROOT / folder / f"{name}.py"
    if own.is_file():
        yield own
        return
    point = _point(folder, name)
    if point is not None and (spec := find_spec(point.entry.module.partition(".")[0])) is not None:
        folders = spec.submodule_search_locations
        yield from (path for folder in folders for path in Path(folder).rglob("*.py")) if folders else ()
        yield from [Path(spec.origin)] if spec.origin is not None and not folders else ()


@cache
def _imports(source: bytes) -> tuple[frozenset[str], bool]:
    """(the modules of ours that a source names, whether it imports modules by computed names)."""
    modules: set[str] = set()
    by_name = False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a template in somebody's package: it is hashed, and no interpreter imports it
        return frozenset(), False
    for node in ast.walk(tree):
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
