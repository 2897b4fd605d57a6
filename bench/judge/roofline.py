"""The roofline: what a cell must do at the least, how long that takes at a machine's limits, and what beats them."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Costs, Limits
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.ops.dtypes import dtype_of


def costs(case: Case, dtype: str) -> Costs:
    """FLOPs and bytes by step, and the bytes of the whole: every array in read once, every output written once.

    Of a state (..., S, D), which is written in place, the slots that are seen are read, and one is written.
    """
    workload, itemsize = workloads.load(case.workload), dtype_of(dtype).itemsize
    steps = tuple(workload.costs(case, itemsize))
    moved = _elements(workload, case)
    for name in workload.state(case):
        *outer, S, D = workload.specs(case)[name].shape
        unseen = S - min(S, case.config.window or S)
        moved -= prod(outer) * D * (unseen + S - 1)
    return Costs(sum(step.flops for step in steps), moved * itemsize, steps)


def _elements(workload: Workload, case: Case) -> int:
    """Of all arrays, in and out."""
    shapes = [spec.shape for spec in workload.specs(case).values()]
    return sum(map(prod, (*shapes, *workload.outputs(case).values())))


def reference_bytes(case: Case, dtype: str) -> int:
    """The memory that the float64 reference needs: all arrays in the dtype, in float64, and the scores twice."""
    itemsize, workload = dtype_of(dtype).itemsize, workloads.load(case.workload)
    attends = any(cost.step == "attention" for cost in workload.costs(case, itemsize))
    scores = case.B * case.config.heads * case.T * case.S if attends else 0
    return _elements(workload, case) * (itemsize + 8) + 2 * 8 * scores


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


def stated_limits(cell: Cell) -> Limits | None:
    """What the maker states of the cell's target; None where nothing is known of it."""
    chip = cell.target.chip
    if chip is None:
        return None
    peak = chip.peaks.get(cell.dtype)
    source = chip.memory_bytes_per_s.source if peak is None else peak.source
    return Limits(None if peak is None else peak.value, str(source), chip.memory_bytes_per_s.value, Kind.MODELLED)
