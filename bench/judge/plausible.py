"""What a record's own words cast doubt on: estimates that cannot be, and a model of which something was assumed.

An estimate cannot be below the roofline, nor a sharding gain more than its chips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from oneblock.bench.cells.cell import digest
from oneblock.bench.format.units import seconds
from oneblock.bench.judge.estimates import Method
from oneblock.bench.judge.in_hand import refused
from oneblock.bench.judge.roofline import Bound, bound
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Limits, Record, Status
from oneblock.compilers.api.kind import Kind

ABOVE_LIMIT = 1.05  # a result that beats the measured limit by more is not believed
_WHOLE = "the time must hold all the work: mend the backend, or measure again where nothing else runs"
_ROUNDED = 0.99  # of a limit: an estimate has few digits


def judged(record: Record, learn_again: Callable[[str], Limits | None]) -> Record:
    """A record with these doubts; or INVALID, where its time leaves work out or cannot be.

    A limit that it beats, by memory or by compute, is learnt again until it beats it no more, or there is no asking
    further (None).
    """
    record = record.with_doubts([*assumed(record), *below_roofline(record)])
    while (beaten := _beaten(record)) is not None and (limits := learn_again(beaten.by)) is not None:
        record = replace(record, limits=limits)
    if (reason := refused(record.launches, record.cell.target.platform)) is not None:
        return replace(record, status=Status.INVALID, reason=reason, hint=_WHOLE)
    if (reason := too_fast(record)) is not None:
        hint = "the work was not done, or the limit was measured on a busy machine: see `oneblock doctor --limits`"
        return replace(record, status=Status.INVALID, reason=reason, hint=hint)
    return record


def too_fast(record: Record) -> str | None:
    """The sentence for a result that beats what the machine was seen to reach at best; None for one that does not."""
    if (beaten := _beaten(record)) is None:
        return None
    took_ms, best_ms = centre(record.samples("cold")) * 1e3, beaten.seconds * 1e3
    return f"took {took_ms:.4g} ms, and the machine's measured {beaten.by} limit allows {best_ms:.4g} ms at best"


def _beaten(record: Record) -> Bound | None:
    """The limit that a result beats.

    Where nobody looked whether others had the cores, the limits were learnt beside them as well: they refuse nothing.
    """
    least = bound(record.costs, record.limits)
    if record.kind is not Kind.MEASURED or not record.launches or least is None:
        return None
    if any(one.disturbance is not None and one.disturbance.unwatched for one in record.launches):
        return None
    return least if centre(record.samples("cold")) * ABOVE_LIMIT < least.seconds else None


def assumed(record: Record) -> list[Doubt]:
    """One where a checkpoint's tensors do not tell all of its model, and no `config.json` did."""
    return [] if record.cell.assumed is None else [Doubt(Cause.PROPERTIES_ASSUMED, record.cell.assumed)]


def below_roofline(record: Record) -> list[Doubt]:
    """One for each estimate that is shorter than what the limits of the chips allow, with all of them at work."""
    least, chips = bound(record.costs, record.limits), record.cell.target.devices
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
    several = {_program(record) for record in records if record.cell.target.devices > 1}
    if not several:  # which takes a second of ten thousand records
        return list(records)
    alone = {_program(record): _times(record) for record in records if record.cell.target.devices == 1}
    return [record.with_doubts(_gains(record, alone.get(_program(record), {}))) for record in records]


def _gains(record: Record, before: dict[Method, float]) -> list[Doubt]:
    chips, after = record.cell.target.devices, _times(record)
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
    return digest([cell.reference_key, cell.backend, cell.ops_set, cell.toolchain, cell.keys()["replaced"], *where])


def _times(record: Record) -> dict[Method, float]:
    """What its compiler and our models estimate, in seconds."""
    found = () if record.facts is None else record.facts.estimates
    return {Method(one.name, one.kind): one.seconds for one in found if one.seconds}
