"""Searches for a pass as a worker makes them, in this process; and backends with one planted, for real workers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.target import Target
from oneblock.backends.reference import Reference
from oneblock.bench.cells.cell import Cell
from oneblock.bench.worker import bisect_job as _bisect_job
from oneblock.bench.worker.bisect_job import BisectionResult, BisectJob
from oneblock.compilers.api.passes import CannotRun, Passes, PassTrial
from oneblock.workloads.answers.arrays import abstract_arrays, make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from tests.helpers.cases import case


def search(
    patch: pytest.MonkeyPatch, folder: Path, backend: str, workload: str = "norm", *, of: str = "numbers",
    ops_set: str = "plain", target: str = "cpu", dtype: str = "float32", **more: Any,
) -> BisectionResult:  # fmt: skip
    """What the worker's job finds; its progress goes nowhere."""
    patch.setattr(_bisect_job, "emit", lambda *_, **__: None)
    size = case(workload, n=16)
    reference = None
    if of == "numbers":
        reference = str(folder / "reference.npz")
        program = workloads.load(workload)
        make_reference(program, size, dtype, make_weights(program, size, dtype, 0), 1, 2).save(Path(reference))
    job = BisectJob(Cell(size, dtype, backend, ops_set, Target.parse(target)), of, reference, **more)
    found = job.do().result
    assert found is not None
    return found


def passes(
    backend: str, workload: str = "norm", *, ops_set: str = "plain", target: str = "cpu", dtype: str = "float32"
) -> Any:
    """A backend's passes of one program, as the search gets them."""
    size, program, where = case(workload, n=16), workloads.load(workload), Target.parse(target)
    arrays = {**make_weights(program, size, dtype, 0), **make_inputs(program, size, dtype, 1)}
    if where.platform != "cpu":
        arrays = abstract_arrays(program, size, dtype)
    found: Any = backends.load(backend)
    return found.passes(program, size, arrays, ops_set, where)


class Wrong:
    """An executable whose every answer is a little larger than what it computes."""

    def __init__(self, inner: Any, factor: float = 1.01) -> None:
        self.inner, self.factor = inner, factor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def call(self, args: Mapping[str, Any]) -> Any:
        return {name: (y * self.factor).astype(y.dtype) for name, y in self.inner.call(args).items()}


class PlantedPasses:
    """Six passes: one may not be off, one ends the process when it is off with others, and one spoils the numbers."""

    names = ("fold", "must", "spoils", "ends", "tidy", "last")
    counts: tuple[str, ...] = ("fusions",)
    how = "by a list"

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled

    def make(self, off: Sequence[str]) -> PassTrial:
        if "must" in off:
            raise CannotRun("the others expect must before them")
        if "ends" in off and len(off) > 1:
            os.abort()
        inner: Any = self.compiled.executable
        text = "\n".join(f"after {name}" for name in self.names if name not in off)
        return PassTrial(inner if "spoils" in off else Wrong(inner), {"fusions": 6 - len(off)}, lambda _: text)

    def by_hand(self, off: Sequence[str]) -> str:
        return f"--without={','.join(off)}"


class Planted(Reference):
    """`reference`, with passes."""

    name = "planted"

    def passes(self, *args: Any) -> Passes:
        return PlantedPasses(self.compile(*args))


class NoNumber(Planted):
    """What it computes with all its passes on is not finite."""

    name = "no_number"

    def passes(self, *args: Any) -> Passes:
        inner: Any = self.compile(*args).executable

        class Passes(PlantedPasses):
            names = ("fine", "infinite")

            def make(self, off: Sequence[str]) -> PassTrial:
                return PassTrial(inner if "infinite" in off else Wrong(inner, np.inf), {}, lambda _: "")

        return Passes(self.compile(*args))


planted, no_number = Planted(), NoNumber()


def install(env: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment with the planted backends in it, beside what else is installed in that folder."""
    info = folder / "oneblock_bisecting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oneblock-bisecting\nVersion: 1.0\n")
    points = [f"{name} = tests.helpers.bisecting:{name}" for name in ("planted", "no_number")]
    (info / "entry_points.txt").write_text("[oneblock.backends]\n" + "\n".join(points) + "\n")
    root = str(Path(__file__).parents[2])
    return {**env, "PYTHONPATH": os.pathsep.join([env["PYTHONPATH"], root])}
