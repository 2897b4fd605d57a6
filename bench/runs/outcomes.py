"""What the launches of a cell came to: its record, with the doubts, and refused where it cannot be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.judge.doubts import doubts
from oneblock.bench.judge.in_hand import refused
from oneblock.bench.judge.plausible import assumed, below_roofline, too_fast
from oneblock.bench.judge.roofline import costs, stated_limits
from oneblock.bench.records.environment import now
from oneblock.bench.records.record import SCHEMA, Environment, Record, Status
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.partials import Partial
from oneblock.bench.worker.measure_job import Measurement
from oneblock.compilers import Detail

_WHOLE = "the time must hold all the work: mend the backend, or measure again where nothing else runs"


@dataclass(frozen=True)
class Setting:
    """Under what a cell was launched; the environment has the software of this cell."""

    environment: Environment
    tier: Tier
    seed: int
    detail: Detail


def record_of(cell: Cell, launched: list[Partial], within: Setting, ceilings: CeilingCache) -> Record:
    """The record of a cell's launches, which has no number yet; the machine's limits learn of them."""
    first, measured = launched[0].outcome, launched[0].outcome.result or Measurement()
    results = [one.outcome.result for one in launched]
    launches = tuple(one.launch for one in results if one is not None and one.launch is not None)
    if launches:
        ceilings.saw(cell.backend, launches)
    reached = partial(ceilings.limits, cell.target, cell.dtype, cell.backend)
    record = Record(
        schema=SCHEMA,
        created=now(),
        cell=cell,
        tier=within.tier.name,
        status=first.status,
        kind=first.kind,
        device=first.device,
        reason=first.reason,
        hint=first.hint,
        log_tail=first.log_tail,
        check=measured.check,
        wrong_answers_rejected=launched[0].wrong_tried,
        costs=costs(cell.case, cell.dtype),
        limits=reached() if launches else stated_limits(cell) if measured.facts else None,
        launches=launches,
        doubts=tuple(doubts(launches, within.environment, within.tier)) if launches else (),
        artifacts=measured.artifacts,
        environment=within.environment,
        order_seed=within.seed,
        compile_s=measured.compile_s,
        facts=measured.facts,
        memory=measured.memory,
        disturbance=measured.disturbance,
        family=cell.case.config.family,
        detail=within.detail,
    )
    record = record.with_doubts([*assumed(record), *below_roofline(record)])
    if too_fast(record) is not None and ceilings.remeasure(cell.target, cell.backend, cell.dtype):
        record = replace(record, limits=reached())
    if (reason := refused(launches, cell.target.platform)) is not None:
        return replace(record, status=Status.INVALID, reason=reason, hint=_WHOLE)
    if (reason := too_fast(record)) is not None:
        hint = "the work was not done, or the limit was measured on a busy machine: see `oneblock doctor --limits`"
        return replace(record, status=Status.INVALID, reason=reason, hint=hint)
    return record
