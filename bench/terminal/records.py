"""Tables and units for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from oneblock.bench.cells.cell import digest
from oneblock.bench.cost.tried import time_of
from oneblock.bench.format.out import say
from oneblock.bench.format.units import seconds
from oneblock.bench.judge.answers import answer
from oneblock.bench.judge.measured import compiled_in
from oneblock.bench.judge.plausible import beyond_chips
from oneblock.bench.judge.roofline import bound
from oneblock.bench.judge.stats import centre
from oneblock.bench.judge.troubles import DOUBT, by_cause
from oneblock.bench.records.record import WITHOUT_TIMES, WRONG, Record, Status
from oneblock.bench.terminal.aligned import MOST_IN_TABLES, aligned
from oneblock.bench.terminal.calls import programs
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.programs import compiled, split
from oneblock.bench.terminal.screen import console
from oneblock.compilers.api.kind import Kind

_GOOD = dict.fromkeys((Status.PASSED, *WITHOUT_TIMES), "green")


_SENTENCES = 3  # of one cause are read; more are counted
COLUMNS = {  # of numbers, each with what it means
    "cold": "the median time of a call that finds the caches flushed and an input never seen before, over all "
    "processes",
    "warm": "the median time of the same call again and again, each sample the mean of many calls",
    "% of roofline": "the least time that this machine's measured ceilings allow (its best read bandwidth and product "
    "ever seen), over the cold time; and which of memory and compute it is",
    "tried": "modelled, and not measured: by the trial of this machine's own calls (`oneblock trial --cpu RECORDS`), "
    "with the range that nine tenths of calls lie in that it has not seen",
    "compile": "what compiling took with empty caches; a dash where nothing was compiled",
    "error budget": "the error against float64 as a share of what is allowed: 100 % is three times that of eager "
    "NumPy in the same dtype",
    "rel. L2": "the norm of the error over the norm of the right answer, which is computed in float64; of the worst "
    "output",
}


def roofline_share(record: Record) -> str | None:
    """The cold time as a share of the machine's measured limit: "71 % memory"; None where the limit is not known."""
    least = bound(record.costs, record.limits)
    if least is None or not record.launches:
        return None
    return f"{least.seconds / centre(record.samples('cold')):.0%} {least.by}"


def tell(records: Sequence[Record]) -> None:
    """Print records: their tables, or beyond so many subjects a line each, then what is wrong or doubtful of them."""
    out, records = console(), beyond_chips(records)
    if _are_many(records):
        say("\n".join(_lines(records)))
    else:
        for part in (*answers(records, out.width), *results(records)):
            out.print(part)
    for remark in remarks(records):
        out.print(remark)


def _are_many(records: Sequence[Record]) -> bool:
    """Whether these are more rows, or of more subjects, than anybody reads in tables."""
    if len(records) > 2 * MOST_IN_TABLES:
        return True
    seen: set[str] = set()
    for record in records:
        seen.add(record.cell.reference_key)
        if len(seen) > MOST_IN_TABLES:
            return True
    return False


def _lines(records: Sequence[Record]) -> list[str]:
    """A line for each record, with the columns of the tables one under another."""
    several = len({record.where for record in records}) > 1
    rows = [["record", "status", *COLUMNS, *["where"] * several]]
    for record in sorted(records, key=lambda record: record.cell.name):
        row = [str(one) for one in _row(record)[3:]]
        rows.append([record.cell.name, *row, *[record.where] * several])
    return aligned(rows, words=(0, 1, len(rows[0]) - several))


def _groups(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(a name, its records) of each subject, tier and machine: only within these may numbers stand side by side."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        where = (record.cell.reference_key, record.tier, digest(record.environment.facts()))
        groups.setdefault(where, []).append(record)
    several = Counter(question for question, *_ in groups)
    return [
        (rows[0].cell.subject + (f", {rows[0].where}" if several[question] > 1 else ""), rows)
        for (question, *_), rows in groups.items()
    ]


def answers(records: Sequence[Record], width: int) -> list[Text]:
    """A line for each subject: its fastest way that is right, the time with its interval, and the next if it fits."""
    rows = []
    for subject, those in _groups(records):
        those = [record for record in those if record.reported is None]
        if (found := answer(those)) is None:
            ended = Counter(record.status for record in those if record.status not in WITHOUT_TIMES)
            if ended:  # something was to be timed
                rows.append([subject, "none", ", ".join(f"{n} {status}" for status, n in ended.items()), "", ""])
            continue
        best = found.fastest
        low, high = map(seconds, best.interval_s)
        mark = " *" if best.record.doubts else ""
        time = f"{seconds(best.cold_s)}{mark} ({low} to {high})"
        rows.append([subject, best.name, time, roofline_share(best.record) or "", found.ahead])
    if not rows:
        return []
    head = Text("the fastest way that is right: cold median, 99 % interval, share of the machine's limit", "bold")
    lines = aligned(rows, words=(0, 1, 2, 4))
    if max(map(len, lines)) + 2 > width:
        lines = aligned([row[:-1] for row in rows], words=(0, 1, 2))
    return [head, *(Text(f"  {line}") for line in lines), Text("")]


def results(records: Sequence[Record]) -> list[Table | Text]:
    """Tables for each subject, tier and machine; a failure is a word and a reason, never a number."""
    found: list[Table | Text] = []
    for subject, rows in _groups(records):
        here, elsewhere = split([record for record in rows if record.reported is None])
        found += [_table(subject, here)] if here else []
        found += programs(subject, [record for record in here if record.kind is not Kind.MEASURED])
        found += compiled(subject, elsewhere) if elsewhere else []
        found += _reported(subject, rows)
        found.append(Text(""))
    return found


def _reported(subject: str, records: Sequence[Record]) -> list[Table]:
    """What others measured elsewhere, beside its source and beside no number of ours; no table where nothing is."""
    claims = [(record, record.reported) for record in records if record.reported is not None]
    title = f"{subject}   (reported: measured elsewhere by others; nothing of it was checked here)"
    table = Table(title=title, title_justify="left", title_style="bold", leaves=("software", "version", "ops"))
    for column in ("backend", "ops", "target", "cold", "device", "software", "version", "source"):
        table.add_column(column, overflow="fold")
    for record, of in claims:
        cell, samples = record.cell, [one for one in record.samples() if one]
        time = seconds(centre(samples)) if samples else ""
        where = (cell.backend, cell.ops, str(cell.target), time, of.device, of.software, of.version, of.source)
        table.add_row(*map(Text, where))
    return [table] if claims else []


def _table(subject: str, records: list[Record]) -> Table:
    tier = records[0].tier
    threads = records[0].environment.machine.get("threads", "?")
    rows = [_row(record) for record in sorted(records, key=_order)]
    filled = [n for n in range(4, 4 + len(COLUMNS)) if any(str(row[n]) for row in rows)]  # of an interpreter no times
    times = "; times are measured medians" if 4 in filled else ""
    times += "; tried is modelled" if 4 + [*COLUMNS].index("tried") in filled else ""
    title = f"{subject}   (tier {tier}, {threads} threads{times})"
    leaves = ("tried", "rel. L2", "compile", "warm", "error budget", "% of roofline")
    table = Table(title=title, title_justify="left", title_style="bold", leaves=leaves)
    for column in ("backend", "ops", "target", "status"):
        table.add_column(column)
    for number, column in enumerate(COLUMNS, 4):
        if number in filled:
            table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row[:4], *(row[number] for number in filled))
    return table


def _order(record: Record) -> tuple[bool, float, str]:
    timed = record.status is Status.PASSED and record.kind is Kind.MEASURED
    return (not timed, centre(record.samples("cold")) if timed else 0.0, record.cell.name)


def _row(record: Record) -> list[str | Text]:
    cell, style = record.cell, _GOOD.get(record.status, "bold red")
    mark = " *" if record.doubts else ""
    row: list[str | Text] = [cell.backend, cell.ops, cell.target, Text(record.status + mark, style=style)]
    timed = record.status is Status.PASSED and record.kind is Kind.MEASURED
    if not timed:
        row += [""] * 5
    else:
        row += [
            seconds(centre(record.samples("cold"))),
            seconds(centre(record.samples("warm"))),
            roofline_share(record) or "",
            _tried(record),
        ]
        took = compiled_in(record)
        row.append("-" if took is None else seconds(took))
    check = record.check
    if check is None or record.status in WRONG:
        return [*row, "", ""]
    used = check.budget_used
    worst = max((output.relative_l2 or 0.0) for output in check.outputs)
    return [*row, "" if used is None else f"{used:.0%}", f"{worst:.1e}"]


def _tried(record: Record) -> Text:
    """Modelled, and so in italics."""
    found = time_of(record)
    return Text("" if found is None else str(found), style="italic")


def remarks(records: Sequence[Record], *, every: bool = False) -> list[Text]:
    """By cause, with counts, why cells have no number or one that may be wrong; `every` names each cell and reason."""
    lines: list[Text] = []
    hidden = 0
    for group in by_cause(records, lambda record: record):
        style = "yellow" if set(group.statuses) == {DOUBT} else "red"
        lines.append(Text(group.words, style=f"bold {style}"))
        sentences = group.sentences
        for words, those in sentences.items() if every or len(sentences) <= _SENTENCES else ():
            shown = those if every or len(those) <= _SENTENCES else []
            lines += [Text(f"    {record.cell.name}: {words}", style=style) for record in shown]
            lines += [] if shown else [Text(f"    {len(those)} cells: {words}", style=style)]
            hidden += len(those) - len(shown)
        hidden += 0 if every or len(sentences) <= _SENTENCES else len(group.found)
    return [*lines, Text("`oneblock show --why` and the report name each cell")] if hidden else lines
