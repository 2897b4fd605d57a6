"""The report: one HTML page that shows every record, what is doubtful first, and asks the network for nothing."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from oneblock.backends._backend import Kind
from oneblock.bench._cell import digest
from oneblock.bench._costs import Bound, bound
from oneblock.bench._explorer import Explorer
from oneblock.bench._record import WITHOUT_TIMES, Record, Status
from oneblock.bench._report_command import run_command
from oneblock.bench._report_text import figures, plain
from oneblock.bench._stats import centre, interval
from oneblock.bench._store import Problem
from oneblock.compilers import Stage
from oneblock.workloads._check import Check

Machine = tuple[dict[str, str], dict[str, str], dict[str, str]]  # its own facts, its software's, and its state's

KINDS = {
    Kind.MEASURED: "timed on the device named, in processes of its own",
    Kind.COMPILED: "read off a compiler's output, for a device that is not here; it was not run",
    Kind.INTERPRETED: "run by an interpreter of kernels: says whether the answer is right, never how fast it is",
    Kind.SIMULATED: "run by the vendor's simulator of the device",
    Kind.MODELLED: "computed by a formula from the shapes",
}


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
    number: int  # among the page's rows: its anchor
    newest: bool  # of its cell, tier and machine; older ones are shown only where they failed

    @property
    def check(self) -> Check | None:
        """The check, unless the answer was wrong: how wrong is said in the reason."""
        ran = (Status.PASSED, Status.INTERPRETED, Status.SIMULATED)
        return self.record.check if self.record.status in ran else None

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
        return cell.backend, cell.ops_set, cell.target

    @property
    def command(self) -> str:
        """What makes a new record of this cell."""
        return run_command(self.record)


def render(
    records: Sequence[tuple[Path, Record]],
    problems: Sequence[Problem],
    title: str,
    *,
    moved: Sequence[Any] = (),
    explorer: Explorer | None = None,
) -> str:
    """The page. Every text of a record is escaped, and the page's policy lets no script run but its own.

    `moved` holds what another set of records was held against (_moved.Against); it is empty where there was none.
    """
    from jinja2 import Environment, StrictUndefined

    from oneblock.bench._page import own_script, own_style
    from oneblock.bench._plots import Plots, policy_hash, script
    from oneblock.bench._plots_steps import ceilings, step_rooflines
    from oneblock.bench._report_compiled import methods, subjects, unfit

    rows = _rows(records)
    groups, newest = _groups(rows), [row for row in rows if row.newest]
    plots = Plots([row for row in newest if row.times])
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=plain)
    page.filters |= {"figures": figures, "quoted": lambda path: shlex.quote(str(path)), "policy_hash": policy_hash}
    template = page.from_string(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        problems=problems,
        rows=rows,
        newest=newest,
        statuses=Counter(row.record.status.value for row in newest),
        machines=_machines(rows),
        timers=list(dict.fromkeys(launch.timer for row in rows for launch in row.record.launches)),
        kinds=_kinds(rows),
        record_kinds=Counter(row.record.kind.value if row.record.kind else "no evidence" for row in rows),
        failures=_failures([row for row in rows if not row.without_fault]),
        columns=sorted({row.labels for row in newest}),
        groups=groups,
        rooflines=plots.rooflines([row for group in groups for row in group if row.times]),
        strips=[plots.strips(group) for group in groups],
        by_labels=[{row.labels: row for row in reversed(group)} for group in groups],
        step_rooflines=step_rooflines(plots, groups),
        ceilings=ceilings(newest),
        explorer=explorer or Explorer(),
        stage_names=[stage.value for stage in Stage],
        moved=moved,
        compiled=(compiled := subjects(groups, plots)),
        methods=methods(compiled),
        unfit=unfit(rows),
        plots=plots,
        bundle=script() if plots.specs else "",
        own=own_script(),
        style=own_style(),
    )


def _rows(records: Sequence[tuple[Path, Record]]) -> list[Row]:
    machines = list(dict.fromkeys(digest(record.environment.machine) for _, record in records))
    rows: list[Row] = []
    seen = set()
    for path, record in sorted(records, key=lambda entry: entry[1].created, reverse=True):
        key = digest([record.cell.keys(), record.tier, record.environment.machine])
        machine = machines.index(digest(record.environment.machine)) + 1
        rows.append(Row(path, record, machine, _times(record), len(rows), newest=key not in seen))
        seen.add(key)
    return sorted(rows, key=lambda row: (row.record.cell.name, str(row.path)))


def _times(record: Record) -> Times | None:
    cold, warm = ([one for one in record.samples(series) if one] for series in ("cold", "warm"))
    if record.status is not Status.PASSED or record.kind is not Kind.MEASURED or not cold:
        return None
    if not all(0 < sample < math.inf for one in cold for sample in one):
        return None
    compiled = {was: [x.compile_s for x in record.launches if x.cold_compile is was] for was in (True, False)}
    counts = [len(one) for one in cold]
    return Times(
        cold_s=centre(cold),
        interval_s=interval(cold),
        warm_s=centre(warm) if warm else None,
        limit=bound(record.costs, record.limits),
        compile_cold_s=median(compiled[True]) if compiled[True] else None,
        compile_warm_s=median(compiled[False]) if compiled[False] else None,
        peak_rss_bytes=max(launch.peak_rss_bytes for launch in record.launches),
        samples=f"{len(cold)} × " + "–".join(str(count) for count in sorted({min(counts), max(counts)})),
    )


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The newest rows by subject, tier and machine: only within these may numbers stand side by side; fastest first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in (row for row in rows if row.newest):
        cell, elsewhere = row.record.cell, ("backend", "ops_set", "target")
        case = cell.case
        size = (case.workload, case.config.width, case.config.name, case.phase, case.B, case.T, case.S, cell.dtype)
        exactly = digest({key: value for key, value in cell.keys().items() if key not in elsewhere})
        found.setdefault((size, row.record.tier, row.machine, exactly), []).append(row)
    return [sorted(found[key], key=lambda row: row.times.cold_s if row.times else math.inf) for key in sorted(found)]


def _failures(rows: Sequence[Row]) -> list[tuple[Record, list[Row]]]:
    """(a record, all rows that ended as it did, their reasons apart), each told once; real faults first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for record, row in ((row.record, row) for row in rows):
        ended = (record.status in WITHOUT_TIMES, record.status, record.kind or "", record.hint or "", record.log_tail)
        found.setdefault(ended, []).append(row)
    return [(found[ended][0].record, found[ended]) for ended in sorted(found)]


def _kinds(rows: Sequence[Row]) -> dict[str, str]:
    seen = {row.record.kind for row in rows} | {row.record.costs.kind for row in rows}
    return {kind.value: words for kind, words in KINDS.items() if kind in seen}


def _machines(rows: Sequence[Row]) -> list[Machine]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.machine, []).append(row)
    where = [[row.record.environment for row in found[number]] for number in sorted(found)]
    return [(_merged(x.machine for x in e), _merged(x.software for x in e), _merged(x.state for x in e)) for e in where]


def _merged(facts: Iterable[Mapping[str, str | float | None]]) -> dict[str, str]:
    """Each fact once; one that differed between records shows all that it was, numbers as a span."""
    seen: dict[str, dict[str | float, None]] = {}
    for key, value in (item for fact in facts for item in fact.items()):
        if value is not None:
            seen.setdefault(key, {})[value] = None
    numbers = {key: [value for value in values if not isinstance(value, str)] for key, values in seen.items()}
    spans = {key: f"{min(n)} to {max(n)}" for key, n in numbers.items() if len(n) == len(seen[key]) > 1}
    return {key: ", ".join(map(str, values)) for key, values in seen.items()} | spans
