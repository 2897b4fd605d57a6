"""Whether a result is faster than the machine can be."""

from __future__ import annotations

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.costs import bound
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.record import Limits, Record
from oneblock.compilers.api.kind import Kind

ABOVE_LIMIT = 1.05  # a result that beats the measured limit by more is not believed


def too_fast(record: Record) -> str | None:
    """The sentence for a result that beats what the machine was seen to reach at best; None for one that does not."""
    least = bound(record.costs, record.limits)
    if record.kind is not Kind.MEASURED or not record.launches or least is None:
        return None
    took = centre(record.samples("cold"))
    if took * ABOVE_LIMIT >= least.seconds:
        return None
    best_ms = least.seconds * 1e3
    return f"took {took * 1e3:.4g} ms, and the machine's measured {least.by} limit allows {best_ms:.4g} ms at best"


def stated_limits(cell: Cell) -> Limits | None:
    """What the maker states of the cell's target; None where nothing is known of it."""
    chip = Target.parse(cell.target).chip
    if chip is None:
        return None
    peak = chip.peaks.get(cell.dtype)
    source = chip.memory_bytes_per_s.source if peak is None else peak.source
    return Limits(None if peak is None else peak.value, str(source), chip.memory_bytes_per_s.value, Kind.MODELLED)
