"""Estimates that cannot be: below the roofline, or of a sharding that gains more than its chips. Both are doubts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oneblock.bench.cells.cell import digest
from oneblock.bench.format.units import seconds
from oneblock.bench.judge.estimates import ROOFLINE, Method, devices, estimates
from oneblock.bench.judge.roofline import bound
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Record

_ROUNDED = 0.99  # of a limit: an estimate has few digits


def below_roofline(record: Record) -> list[Doubt]:
    """One for each estimate that is shorter than what the limits of the chips allow, with all of them at work."""
    least, chips = bound(record.costs, record.limits), devices(record)
    if least is None:
        return []
    limit_s = least.seconds / chips
    shared = "" if chips == 1 else f" shared by {chips} chips"
    return [
        Doubt(
            Cause.BELOW_ROOFLINE,
            f"the estimate {method.label} is {seconds(took_s)}, below the roofline of {seconds(limit_s)} by {least.by}"
            f"{shared}: it leaves something out, or arrays stay on the chip from call to call",
        )
        for method, took_s in _times(record).items()
        if took_s < _ROUNDED * limit_s
    ]


def beyond_chips(records: Sequence[Record]) -> list[Record]:
    """The records, those doubted of which an estimate gains more by several chips than there are.

    Each is held, method by method, against that of the same program on one chip, where it is among them.
    """
    several = {_program(record) for record in records if devices(record) > 1}
    if not several:  # which takes a second of ten thousand records
        return list(records)
    alone = {_program(record): _times(record) for record in records if devices(record) == 1}
    return [record.with_doubts(_gains(record, alone.get(_program(record), {}))) for record in records]


def _gains(record: Record, before: dict[Method, float]) -> list[Doubt]:
    chips, after = devices(record), _times(record)
    gains = {method: before[method] / after[method] for method in after if method in before}
    return [
        Doubt(
            Cause.BEYOND_CHIPS,
            f"by the estimate {method.label}, {chips} chips are {gain:.3g}x as fast as one: one of the two is wrong, "
            "or what is left for a chip stays on it",
        )
        for method, gain in gains.items()
        if chips > 1 and _ROUNDED * gain > chips
    ]


def _program(record: Record) -> str:
    """What has the same value for one program on one chip and on several of its generation."""
    cell = record.cell
    where: list[Any] = [cell.target.platform, cell.target.architecture, record.tier, record.environment.machine]
    return digest([cell.question, cell.backend, cell.ops_set, cell.toolchain, *where])


def _times(record: Record) -> dict[Method, float]:
    """The estimates in seconds, but for the roofline itself."""
    found = estimates(record).items()
    return {method: one.seconds for method, one in found if method.name != ROOFLINE.name and one.seconds}
