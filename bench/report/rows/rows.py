"""Rows of measured cells, grouped by what they compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from oneblock.bench.cells.cell import digest
from oneblock.bench.cost.tried import TriedTime, time_of
from oneblock.bench.format.text import plain
from oneblock.bench.judge.roofline import Bound, bound
from oneblock.bench.judge.stats import centre, intervals
from oneblock.bench.records.command import not_said, run_command
from oneblock.bench.records.order import in_order
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.answers.verdict import Check


@dataclass(frozen=True)
class Times:
    """The figures of a record that passed and was measured; None where there is none."""

    cold_s: float
    interval_s: tuple[float, float]
    warm_s: float | None
    limit: Bound | None
    compile_cold_s: float | None
    compile_warm_s: float | None
    peak_rss_bytes: int
    samples: str  # "6 × 30": processes, and samples of each


@dataclass(frozen=True)
class Row:
    """One record as the page shows it."""

    path: Path
    record: Record
    machine: int  # which of the page's machines, from 1
    times: Times | None  # None: no time may be shown
    number: int  # among the page's rows, the last made first: its anchor
    newest: bool  # of its cell, tier and machine; older ones are shown only where they failed

    @property
    def check(self) -> Check | None:
        """The check, unless the answer was wrong: how wrong is said in the reason."""
        ran = (Status.PASSED, Status.INTERPRETED, Status.SIMULATED)
        return self.record.check if self.record.status in ran else None

    def worst(self, error: str) -> float | None:
        """The largest of an error ("relative_l2") over the outputs; None where none is a number."""
        outputs = self.check.outputs if self.check is not None else ()
        return max((one for output in outputs if (one := getattr(output, error)) is not None), default=None)

    @cached_property
    def tried(self) -> TriedTime | None:
        """The time by this machine's own trial, beside one that was measured."""
        return None if self.times is None else time_of(self.record)

    @property
    def counted(self) -> bool:
        """Whether it was compiled for a device that is elsewhere, and its program counted: no failure, and no time."""
        return self.record.status is Status.COMPILED and self.record.facts is not None

    @property
    def without_fault(self) -> bool:
        """Whether it ended well, so that the tables alone tell its status; a program without its counts is told of."""
        return self.counted or self.record.status in (Status.PASSED, Status.INTERPRETED, Status.SIMULATED)

    @property
    def labels(self) -> tuple[str, str, str]:
        """Backend, ops set and target: what is compared."""
        cell = self.record.cell
        return cell.backend, cell.ops, cell.target

    @cached_property
    def facets(self) -> dict[str, str]:
        """What the page's filters ask of it; a point of a plot has them, too."""
        cell, kind = self.record.cell, self.record.kind
        found = {"workload": cell.case.workload, "preset": cell.case.config.name, "phase": cell.case.phase.value}
        found |= {"dtype": cell.dtype, "backend": cell.backend, "kind": kind.value if kind else "none"}
        return {name: plain(value) for name, value in found.items()}

    @cached_property
    def own_facets(self) -> dict[str, str]:
        """Those in which it may differ from the others of its subject: enough in a part of the page that is of one."""
        return {name: self.facets[name] for name in ("backend", "kind")}

    @property
    def command(self) -> str:
        """What makes a new record of this cell."""
        return run_command(self.record)

    @property
    def not_said(self) -> list[str]:
        """What the command cannot say, so that it makes another cell."""
        return not_said(self.record.cell)


def rows_of(records: Sequence[tuple[Path, Record]]) -> list[Row]:
    """A row for each record, by the name of its cell."""
    records = in_order(records)
    facts = [digest(record.environment.facts()) for _, record in records]
    machines = {machine: number for number, machine in enumerate(dict.fromkeys(facts), 1)}
    timed = _all_times([record for _, record in records])
    rows: list[Row] = []
    seen = set()
    whole = zip(records, facts, timed, strict=True)
    for (path, record), of, times in reversed(list(whole)):
        key = record.place()
        rows.append(Row(path, record, machines[of], times, len(rows), newest=key not in seen))
        seen.add(key)
    return sorted(rows, key=lambda row: (row.record.cell.name, str(row.path)))


def _all_times(records: Sequence[Record]) -> list[Times | None]:
    """Of each record its times; their intervals are computed together, which takes a fifth."""
    cold = {n: samples for n, record in enumerate(records) if (samples := _cold(record))}
    found = dict(zip(cold, intervals(list(cold.values())), strict=True))
    return [_times(record, cold[n], found[n]) if n in found else None for n, record in enumerate(records)]


def _cold(record: Record) -> list[tuple[float, ...]]:
    """Its cold samples; none where no time may be shown."""
    cold = [one for one in record.samples() if one]
    shown = record.status is Status.PASSED and record.kind is Kind.MEASURED
    return cold if shown and all(0 < sample < math.inf for one in cold for sample in one) else []


def _times(record: Record, cold: list[tuple[float, ...]], interval_s: tuple[float, float]) -> Times:
    warm = [one for one in record.samples("warm") if one]
    compiled = {was: [x.compile_s for x in record.launches if x.cold_compile is was] for was in (True, False)}
    counts = [len(one) for one in cold]
    return Times(
        cold_s=centre(cold),
        interval_s=interval_s,
        warm_s=centre(warm) if warm else None,
        limit=bound(record.costs, record.limits),
        compile_cold_s=median(compiled[True]) if compiled[True] else None,
        compile_warm_s=median(compiled[False]) if compiled[False] else None,
        peak_rss_bytes=max(launch.peak_rss_bytes for launch in record.launches),
        samples=f"{len(cold)} × " + "–".join(str(count) for count in sorted({min(counts), max(counts)})),
    )


def groups_of(rows: Sequence[Row]) -> list[list[Row]]:
    """The newest rows by subject, tier and machine: only within these may numbers stand side by side; fastest first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in (row for row in rows if row.newest):
        cell, case = row.record.cell, row.record.cell.case
        size = (case.workload, case.config.width, case.config.name, case.phase, case.B, case.T, case.S, cell.dtype)
        exactly = cell.reference_key, repr(cell.toolchain), repr(cell.sharding)
        found.setdefault((size, row.record.tier, row.machine, exactly), []).append(row)
    return [sorted(found[key], key=lambda row: row.times.cold_s if row.times else math.inf) for key in sorted(found)]
