"""Inputs that nobody has seen before: drawn in the worker, of seeds that its parent thinks of when a call is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named


@dataclass(frozen=True)
class Unseen:
    """An input by the seed that it is drawn of; or the twin of another, which differs from it in one row alone.

    Whoever tells inputs by a few of their elements takes most twins for the elder.
    """

    seed: int
    elder: int | None = None  # the seed of the one that it is a twin of

    def arrays(self, workload: Workload, draw: Callable[[int], Named]) -> Named:
        """The inputs by name, of a cell that draws them of a seed."""
        own = draw(self.seed)
        if self.elder is None:
            return own
        twin, main = draw(self.elder), workload.main_input
        rows, others = (arrays[main].reshape(-1, arrays[main].shape[-1]) for arrays in (twin, own))
        row = self.seed % len(rows)
        rows[row] = others[row]
        return twin
