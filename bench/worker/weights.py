"""A cell's weights: seeded, or a layer of a checkpoint."""

from __future__ import annotations

from pathlib import Path

from oneblock.bench.cells.cell import Cell
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named, make_weights
from oneblock.workloads.answers.checkpoint import load_weights


def _weights(workload: Workload, cell: Cell) -> Named:
    if cell.weights is None:
        return make_weights(workload, cell.case, cell.dtype, cell.weight_seed)
    return load_weights(workload, cell.case, cell.dtype, Path(cell.weights.path), cell.weights.layer)
