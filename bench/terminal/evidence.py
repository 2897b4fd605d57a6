"""What records say of a plan's choices, as people read it: each kind of number in a column of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oneblock.bench.cost.evidence import Evidence
from oneblock.bench.format.units import seconds, size
from oneblock.bench.terminal.fitted import Table

_LEAVES = ("compiled: HBM", "compiled: scratch", "ops")


def table(found: Sequence[Evidence]) -> Table:
    """A row a record, of one block of the model."""
    made = Table(title="records of the model's block, one of its layers", title_justify="left", leaves=_LEAVES)
    for heading in ("target", "backend", "ops", "size", "status"):
        made.add_column(heading, no_wrap=True)
    for heading in ("measured, cold", "compiled: scratch", "compiled: HBM", "modelled: tried"):
        made.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        cell, facts, measured, tried = one.record.cell, one.record.facts, one.measured_s, one.modelled
        case = cell.case
        counts = (None, None) if facts is None else (facts.scratch_bytes, facts.hbm_bytes)
        made.add_row(
            cell.target, cell.backend, cell.ops, f"{case.phase} B{case.B} S{case.S}", one.record.status.value,
            "" if measured is None else seconds(measured), *("" if n is None else size(n) for n in counts),
            "" if tried is None else str(tried),
        )  # fmt: skip
    return made


def data(found: Sequence[Evidence]) -> list[dict[str, Any]]:
    """The same for other programs."""
    return [
        {
            "record": str(one.path), "target": one.record.cell.target, "backend": one.record.cell.backend,
            "status": one.record.status.value, "measured_s": one.measured_s,
            "scratch_bytes": None if one.record.facts is None else one.record.facts.scratch_bytes,
            "hbm_bytes": None if one.record.facts is None else one.record.facts.hbm_bytes,
            "modelled_s": None if one.modelled is None else one.modelled.seconds,
        }
        for one in found
    ]  # fmt: skip
