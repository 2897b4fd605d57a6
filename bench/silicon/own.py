"""This machine's own processor on the same trial: half of its clean calls, tried by a model of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import Record, Status
from oneblock.bench.silicon.calls import Calls, OwnTrial, Way
from oneblock.bench.silicon.error import COVERED, off
from oneblock.bench.silicon.halves import halves
from oneblock.bench.silicon.launches import Array, Limits
from oneblock.bench.silicon.trial import FEWEST, held_out
from oneblock.compilers.api.kind import Kind

# What makes a time another than the machine's own.
_UNCLEAN = {
    Cause.CORES_SHARED, Cause.MACHINE_SLOW, Cause.SAMPLES_SPREAD, Cause.PROCESSES_DIFFER, Cause.CALLS_COMPILE,
    Cause.WORK_UNSEEN,
}  # fmt: skip
MORE = "oneblock run mlp attention norm block --preset gpt2 --preset llama-1b -B 1 -B 4 -T 64 -T 256 --target cpu"


@dataclass(frozen=True)
class Timed:
    """Calls, and what each took."""

    launches: Calls
    seconds: Array


def own_trials(records: Iterable[Record]) -> tuple[list[OwnTrial], list[str]]:
    """(the trial of each backend with enough clean cells, why others have none); Refused where none has.

    A cell's newest record counts, which is the last of those given.
    """
    found: dict[Way, dict[str, Record]] = {}
    left: Counter[str] = Counter()
    for record in records:
        way = Way.of(record)
        if (why := _unfit(record)) is not None:
            left[f"{way}: {why}"] += 1
        else:
            found.setdefault(way, {})[record.cell.subject] = record
    told, reasons = [], [f"{why} ({many} {'cells' if many > 1 else 'cell'})" for why, many in left.items()]
    for way, cells in found.items():
        if len(cells) < FEWEST:
            reasons.append(f"{way}: {len(cells)} clean cells, which are too few")
        else:
            told.append(_tried(way, list(cells.values())))
    if not told:
        more = f"expected {FEWEST} clean cells of one backend, made while nobody else has the machine: {MORE}"
        raise Refused("; ".join([*reasons, more]))
    return told, reasons


def _unfit(record: Record) -> str | None:
    """Why a record is no row of the trial; None where it is one."""
    if record.cell.target != "cpu" or record.kind is not Kind.MEASURED:
        return "not measured on a processor"
    if record.status is not Status.PASSED:
        return f"{record.status}, which is no number"
    limits = record.limits
    if limits is None or limits.flops_per_s is None or limits.read_bytes_per_s is None:
        return "the machine's limits were not measured"
    if unclean := [doubt.cause.words for doubt in record.doubts if doubt.cause in _UNCLEAN]:
        return unclean[0]
    return None


def _tried(way: Way, cells: Sequence[Record]) -> OwnTrial:
    """By the newest limits, which are the best that was ever reached."""
    limits = cells[-1].limits
    assert limits is not None, "those without any are left out"
    assert limits.flops_per_s is not None
    assert limits.read_bytes_per_s is not None
    at = Limits(limits.flops_per_s, limits.read_bytes_per_s, 1)
    calls = Calls.of_costs([one.costs for one in cells])
    timed = Timed(calls, np.array([centre(one.samples("cold")) for one in cells]))
    both = halves(timed, at, COVERED)
    bare = np.maximum(calls.flops / at.flops_per_s, calls.nbytes / at.bytes_per_s)
    return OwnTrial(way, len(cells), at, both[0].numbers, held_out(*both)[0], off(timed.seconds, bare))
