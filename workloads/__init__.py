"""What is computed: a workload is a file here, the directory the list; entry points `oneblock.workloads` add more."""

from __future__ import annotations

import importlib
from pathlib import Path

from oneblock.workloads._workload import Workload, wrong
from oneblock.workloads.ops.nearest import unknown
from oneblock.workloads.ops.third_party import Refused, Registrations, found

ENTRY_POINTS = "oneblock.workloads"


def _own() -> set[str]:
    return {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}


def names() -> list[str]:
    """Every workload there is: the files of this folder without a leading underscore, and what others registered."""
    return sorted(_own() | registered().points.keys())


def registered() -> Registrations:
    """What other packages registered, and what of it is refused: a name of ours, say."""
    return found(ENTRY_POINTS, _own())


def load(name: str) -> Workload:
    """The workload of that name; LookupError offers the nearest names, or says what is wrong with somebody else's."""
    if name in _own():
        workload: Workload = importlib.import_module(f"oneblock.workloads.{name}").WORKLOAD
        return workload
    points = registered().points
    if name not in points:
        raise LookupError(unknown("workload", name, names()))
    given = points[name].load()
    fault = wrong(given, name)
    if fault is not None:
        raise Refused(f"{points[name]} {fault}", "see workloads/_workload.py, and workloads/norm.py for an example")
    return given  # type: ignore[no-any-return]  # held against what a workload is just now
