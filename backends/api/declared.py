"""What a backend declares, held against what there is: how one that somebody else wrote is told what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from oneblock.backends.api.target import platforms
from oneblock.workloads.ops.definitions import OPS
from oneblock.workloads.ops.dtypes import DTYPES
from oneblock.workloads.ops.third_party import told

_DECLARED = ("name", "ops_sets", "dtypes", "platforms")
_METHODS = ("probe", "compile", "compilations")


def wrong(backend: Any, name: str) -> str | None:
    """The first thing that is wrong with a declaration, as what was expected and what came; None if nothing is."""
    try:
        return next(_faults(backend, name), None)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's code may fail in any way: its reason is said
        return f"does not say what it offers: {told(error)}"


def _faults(backend: Any, name: str) -> Iterator[str]:
    if isinstance(backend, type):
        yield f"names the class {backend.__name__}: expected a backend, {backend.__name__}() say"
    if isinstance(backend, ModuleType):
        yield f"names a module: expected the backend in it, as in {backend.__name__}:BACKEND"
    lacks = [member for member in _DECLARED if not hasattr(backend, member)]
    lacks += [method for method in _METHODS if not callable(getattr(backend, method, None))]
    if lacks:
        yield f"names a {type(backend).__name__}, which is not a Backend: it has no {', '.join(lacks)}"
    if backend.name != name:
        yield f"calls itself {backend.name!r}: expected {name!r}, under which it is registered"
    yield from _faults_of_ops_sets(backend.ops_sets)
    for what, given, known in (("dtypes", backend.dtypes, DTYPES), ("platforms", backend.platforms, platforms())):
        if not isinstance(given, (tuple, list)) or not given or any(one not in known for one in given):
            yield f"declares the {what} {given!r}: expected some of {', '.join(known)}"


def _faults_of_ops_sets(ops_sets: object) -> Iterator[str]:
    if not isinstance(ops_sets, Mapping) or not ops_sets:
        yield f"declares the ops sets {ops_sets!r}: expected each set with the operations that it replaces"
        return
    for ops_set, replaced in ops_sets.items():
        if not isinstance(ops_set, str) or not ops_set.replace("-", "_").isidentifier():
            yield f"declares the ops set {ops_set!r}: expected a name of letters, digits, _ and -"
        if not isinstance(replaced, (tuple, list)):
            yield f"says that {ops_set} replaces {replaced!r}: expected a tuple of operations"
        elif strange := [operation for operation in replaced if operation not in OPS]:
            yield f"says that {ops_set} replaces {strange}: expected some of {', '.join(OPS)}"
