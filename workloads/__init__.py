"""What is computed: a workload is a file here, and the directory is the list of them."""

from __future__ import annotations

import importlib
from pathlib import Path

from oneblock.workloads._workload import Workload
from oneblock.workloads.ops.nearest import unknown


def names() -> list[str]:
    """Every workload there is: the files of this folder without a leading underscore."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def load(name: str) -> Workload:
    """The workload of that name; LookupError offers the nearest names."""
    if name not in names():
        raise LookupError(unknown("workload", name, names()))
    workload = importlib.import_module(f"oneblock.workloads.{name}").WORKLOAD
    assert isinstance(workload, Workload)
    return workload
