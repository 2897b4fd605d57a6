"""What a backend declares, held against what there is: how one that somebody else wrote is told what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from oneblock.backends.api.backend import Backend
from oneblock.backends.api.target import platforms
from oneblock.workloads.ops.definitions import OPS
from oneblock.workloads.ops.dtypes import DTYPES


def wrong(backend: Any, name: str) -> str | None:
    """The first thing that is wrong with a declaration, as what was expected and what came; None if nothing is."""
    return next(_faults(backend, name), None)


def _faults(backend: Any, name: str) -> Iterator[str]:
    if not isinstance(backend, Backend):
        members = ("name", "ops_sets", "dtypes", "platforms", "probe", "compile", "compilations")
        lacks = ", ".join(member for member in members if not hasattr(backend, member))
        yield f"names a {type(backend).__name__}, which is not a Backend: it has no {lacks}"
        return
    if backend.name != name:
        yield f"calls itself {backend.name!r}: expected {name!r}, under which it is registered"
    if not isinstance(backend.ops_sets, Mapping) or not backend.ops_sets:
        yield f"declares the ops sets {backend.ops_sets!r}: expected each set with the operations that it replaces"
        return
    for ops_set, replaced in backend.ops_sets.items():
        strange = [operation for operation in replaced if operation not in OPS]
        if strange:
            yield f"says that {ops_set} replaces {strange}: expected some of {', '.join(OPS)}"
    for what, given, known in (("dtypes", backend.dtypes, DTYPES), ("platforms", backend.platforms, platforms())):
        strange = [one for one in given if one not in known]
        if strange or not given:
            yield f"declares the {what} {given!r}: expected some of {', '.join(known)}"
