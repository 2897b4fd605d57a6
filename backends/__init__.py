"""Where it runs: a backend is a file here (or an entry point `oneblock.backends`), and the directory is the list."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from oneblock.backends.api.backend import Backend, Unavailable
from oneblock.backends.api.declared import wrong
from oneblock.workloads.ops.nearest import unknown
from oneblock.workloads.ops.third_party import Refused, Registrations, found

ENTRY_POINTS = "oneblock.backends"


def own() -> set[str]:
    """The names of the files of this folder."""
    files = os.listdir(Path(__file__).parent)  # a pattern takes ten times as long, and each cell of a run asks
    return {name.removesuffix(".py") for name in files if name.endswith(".py") and not name.startswith("_")}


def names() -> list[str]:
    """Every backend there is: the files of this folder without a leading underscore, and what others registered."""
    return sorted(own() | registered().points.keys())


def registered() -> Registrations:
    """What other packages registered, and what of it is refused: a name of ours, say."""
    return found(ENTRY_POINTS, own())


def ops_sets() -> list[str]:
    """Every ops set that a backend of this folder declares, in the order in which they are compared."""
    return list(dict.fromkeys(ops_set for name in sorted(own()) for ops_set in ours(name).ops_sets))


def having(capability: type) -> list[str]:
    """The names of our backends that also have a capability of the seam."""
    return [name for name in sorted(own()) if isinstance(ours(name), capability)]


def ours(name: str) -> Backend:
    """The backend of a file of this folder, which says what it offers without its toolchain; LookupError otherwise."""
    if name not in own():
        raise LookupError(unknown("backend", name, sorted(own())))
    backend: Backend = importlib.import_module(f"oneblock.backends.{name}").BACKEND
    return backend


def load(name: str) -> Backend:
    """The backend of that name, ours or a third party's, which is imported here: in a process that may end of it.

    Its toolchain is imported when it is asked for more than what it offers.
    LookupError offers the nearest names; Unavailable says what is wrong with one that somebody else registered.
    """
    if name in own():
        return ours(name)
    points = registered().points
    if name not in points:
        raise LookupError(unknown("backend", name, names()))
    try:
        given = points[name].load()
    except Refused as error:
        raise Unavailable(error.reason, error.hint) from error
    fault = wrong(given, name)
    if fault is not None:
        raise Unavailable(f"{points[name]} {fault}", "see backends/api/backend.py")
    return given  # type: ignore[no-any-return]  # held against the seam just now
