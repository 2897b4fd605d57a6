"""Inputs that nobody has seen before: drawn in the worker, of seeds that its parent thinks of when a call is due."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.cells.cell import Cell
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named


@dataclass(frozen=True)
class Unseen:
    """An input by the seed that it is drawn of; or the twin of another, which differs from it in one row alone.

    Whoever tells inputs by a few of their elements takes most twins for the elder.
    """

    seed: int
    elder: int | None = None  # the seed of the one that it is a twin of

    def arrays(self, cell: Cell, workload: Workload) -> Named:
        """The inputs of a cell by name, in its dtype."""
        own = cell.unseen_arrays(workload, self.seed)
        if self.elder is None:
            return own
        twin, main = cell.unseen_arrays(workload, self.elder), workload.main_input
        rows, others = (arrays[main].reshape(-1, arrays[main].shape[-1]) for arrays in (twin, own))
        row = self.seed % len(rows)
        rows[row] = others[row]
        return twin
