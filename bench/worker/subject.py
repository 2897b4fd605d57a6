"""An executable under measurement: its weights and inputs, and the verdicts on its answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from oneblock.backends.api.backend import Executable
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.worker.sampling import time_calls
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named, make_inputs, make_weights
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.answers.reference import Golden
from oneblock.workloads.answers.verdict import Check


def cell_weights(workload: Workload, cell: Cell) -> Named:
    """A cell's weights by name, in its dtype: seeded, or a layer of a checkpoint."""
    if cell.weights is None:
        return make_weights(workload, cell.case, cell.dtype, cell.weight_seed)
    return load_weights(workload, cell.case, cell.dtype, Path(cell.weights.path), cell.weights.layer)


class Subject:
    """An executable with its weights on the device, and the references for its inputs."""

    def __init__(self, workload: Workload, cell: Cell, executable: Executable, golden: Golden, weights: Named) -> None:
        self.workload, self.cell, self.executable, self.golden = workload, cell, executable, golden
        self.weights = executable.put(weights)

    def args(self, i: int) -> dict[str, Any]:
        """The arguments with input i, of seed `input_seed + i`, copied to the device now."""
        inputs = make_inputs(self.workload, self.cell.case, self.cell.dtype, self.cell.input_seed + i)
        return {**self.weights, **self.executable.put(inputs)}

    def check(self, i: int, out: Any = None) -> Check:
        """The verdict on the answer to input i, computed now unless it is given."""
        if out is None:
            out = self.executable.call(self.args(i))
            self.executable.wait(out)
        return self.golden.check(self.executable.get(out), i)


class Fresh:
    """Calls of inputs never seen before; a few of them, chosen at random, have references and are kept."""

    def __init__(self, subject: Subject, index: int, tier: Tier) -> None:
        self.subject, self.index = subject, index
        self.kept = random.Random(f"{subject.cell.input_seed}/{index}").sample(range(tier.least), tier.rechecks)
        self.timed: list[tuple[int, Any]] = []
        self.calls = 0

    def call(self) -> float:
        """The seconds of one."""
        known = 1 + len(self.timed) if self.calls in self.kept else None  # inputs 1, 2, ... have references
        self.calls += 1
        unseen = self.subject.args(known if known is not None else 1000 * (self.index + 1) + self.calls)
        seconds, out = time_calls(self.subject.executable, unseen)
        if known is not None:
            self.timed.append((known, out))
        return seconds
