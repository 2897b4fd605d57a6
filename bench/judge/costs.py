"""What a cell must do at the least, by formula, and how long that takes at the machine's limits."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Costs, Limits
from oneblock.workloads.ops.dtypes import dtype_of


def costs(cell: Cell) -> Costs:
    """FLOPs and bytes by step, and the bytes of the whole: every array in read once, every output written once.

    The outputs are y (B, T, C), and in decode both caches, each as large as it came in.
    """
    workload, itemsize = workloads.load(cell.case.workload), dtype_of(cell.dtype).itemsize
    steps = tuple(workload.costs(cell.case, itemsize))
    return Costs(sum(step.flops for step in steps), _elements(cell) * itemsize, steps)


def _elements(cell: Cell) -> int:
    case = cell.case
    specs = workloads.load(case.workload).specs(case)
    caches = [spec for name, spec in specs.items() if name.endswith("_cache")]
    outputs = case.B * case.T * case.config.width + sum(prod(spec.shape) for spec in caches)
    return sum(prod(spec.shape) for spec in specs.values()) + outputs


def reference_bytes(cell: Cell) -> int:
    """The memory that the float64 reference needs: all arrays in the dtype, in float64, and the scores twice."""
    case, itemsize = cell.case, dtype_of(cell.dtype).itemsize
    scores = case.B * case.config.heads * case.T * case.S if case.workload in ("block", "attention") else 0
    return _elements(cell) * (itemsize + 8) + 2 * 8 * scores


class Bound(NamedTuple):
    """The roofline's answer: the time that the machine's limits allow at best, and which of them sets it."""

    seconds: float
    by: str  # "compute" or "memory"


def bound(costs: Costs, limits: Limits | None) -> Bound | None:
    """max(FLOPs / peak, bytes / bandwidth) (Williams et al. 2009); None where a limit is not known."""
    if limits is None or limits.flops_per_s is None or limits.read_bytes_per_s is None:
        return None
    compute, memory = costs.flops / limits.flops_per_s, costs.compulsory_bytes / limits.read_bytes_per_s
    return Bound(compute, "compute") if compute > memory else Bound(memory, "memory")
