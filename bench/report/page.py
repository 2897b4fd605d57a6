"""The report: one HTML page that shows every record, what is doubtful first, and asks the network for nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from oneblock.bench.format.text import figures, plain
from oneblock.bench.records.record import WITHOUT_TIMES, Record
from oneblock.bench.records.store import Problem
from oneblock.bench.report.explorer.explorer import Explorer
from oneblock.bench.report.page_assets import own_script, own_style
from oneblock.bench.report.plots.plots import Plots, policy_hash, script
from oneblock.bench.report.plots.steps import ceilings, step_rooflines
from oneblock.bench.report.programs import methods, subjects, unfit
from oneblock.bench.report.rows.rows import Machine, Row, _groups, _rows
from oneblock.compilers import Stage
from oneblock.compilers.api.kind import Kind

KINDS = {
    Kind.MEASURED: "timed on the device named, in processes of its own",
    Kind.COMPILED: "read off a compiler's output, for a device that is not here; it was not run",
    Kind.INTERPRETED: "run by an interpreter of kernels: says whether the answer is right, never how fast it is",
    Kind.SIMULATED: "run by the vendor's simulator of the device",
    Kind.MODELLED: "computed by a formula from the shapes",
    Kind.REPORTED: "measured elsewhere by others, on the device and with the software that its source names",
}


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
    rows = _rows(records)
    groups, newest = _groups(rows), [row for row in rows if row.newest]
    plots = Plots([row for row in newest if row.times])
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=plain)
    page.filters |= {"figures": figures, "quoted": lambda path: shlex.quote(str(path)), "policy_hash": policy_hash}
    template = page.from_string(Path(__file__).parent.joinpath("assets", "report.html").read_text(encoding="utf-8"))
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
