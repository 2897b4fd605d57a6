"""Tables of calls, whatever their toolchain: what the programs of several records come to, and each call of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from oneblock.bench.cost.tried import time_of
from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.calls import CallTable, Head, kinds, lined_up, program, tables
from oneblock.bench.judge.estimates import TRIED
from oneblock.bench.judge.roofline import bound
from oneblock.bench.records.record import Record
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.api.call import Call, Column
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind

EXPLAINS = "`oneblock explain COLUMN` says what one means."


def programs(subject: str, records: Sequence[Record]) -> Iterator[Table]:
    """A table for each sort of call, with a line for each program of such calls: the extremes and sums over them."""
    having = [(record, program(record.facts)) for record in records]
    for of in dict.fromkeys(sort for _, found in having for sort in found):
        rows = [(record, (*found[of], *_beside(record))) for record, found in having if of in found]
        yield _programs(subject, of, sorted(rows, key=lambda row: _place(row[0])))


def _programs(subject: str, of: type[Call], rows: Sequence[tuple[Record, tuple[Column, ...]]]) -> Table:
    heads, cells = lined_up([columns for _, columns in rows])
    counted = kinds(head for head in heads if head.kind is not Kind.MEASURED)
    title = f"{subject}   ({of.noun}s; times are modelled, none is measured; {counted})"
    table = Table(title=title, title_justify="left", title_style="bold", caption=EXPLAINS, caption_justify="left",
                  leaves=reversed([head.heading for head in heads]))  # fmt: skip
    for column in ("target", "backend", "ops"):
        table.add_column(column, no_wrap=True)
    _add_columns(table, heads, cells)
    for (record, _), row in zip(rows, cells, strict=True):
        table.add_row(*_place(record), *map(shown, row))
    return table


def _place(record: Record) -> tuple[str, str, str]:
    cell = record.cell
    return cell.target, cell.backend, cell.ops


def _beside(record: Record) -> tuple[Column, ...]:
    """What is known of the program beside its calls: how it compares with the formulas, and what compiling took."""
    facts, least, costs = record.facts, bound(record.costs, record.limits), record.costs
    flops, nbytes, kind = (facts.flops, facts.hbm_bytes, facts.kind) if facts else (None, None, Kind.COMPILED)
    tried = time_of(record)
    range_of = "" if tried is None else f"{seconds(tried.low_s)} to {seconds(tried.high_s)}"
    return (
        Column("FLOPs / model", flops / costs.flops if flops is not None and costs.flops else None, "%", kind),
        Column("HBM / min", nbytes / costs.compulsory_bytes if nbytes and costs.compulsory_bytes else None, "x", kind),
        Column("roofline", least and least.seconds, "s", record.limits.kind if record.limits else Kind.MODELLED),
        *(() if tried is None else (Column(TRIED.name, tried.seconds, "s", TRIED.kind, range_of),)),
        Column("compile", record.compile_s, "s", Kind.MEASURED),
    )


def calls(facts: Facts, title: str = "") -> Iterator[Table]:
    """A table for each sort of call that a program has, one line a call, in their order."""
    for made in tables(facts):
        yield _calls(made, title)


def _calls(made: CallTable, title: str) -> Table:
    order = "in order" if made.of.complete else f"of {len(made.calls) + made.left_out}, the first"
    title = f"{title}{made.of.noun}s {order}   ({made.kinds})"
    leaves = reversed([head.heading for head in made.heads])
    table = Table(title=title, title_justify="left", title_style="bold", leaves=leaves)
    table.add_column("step", overflow="fold")
    table.add_column("name", overflow="fold")
    _add_columns(table, made.heads, made.cells)
    for call, row in zip(made.calls, made.cells, strict=True):
        table.add_row(Text("+".join(call.steps)), Text(call.name), *map(shown, row))
    return table


def _add_columns(table: Table, heads: Sequence[Head], cells: Sequence[Sequence[Column | None]]) -> None:
    """Numbers to the right, texts to the left and folded, what is modelled in italics."""
    for head, column in zip(heads, zip(*cells, strict=True), strict=True):
        text = any(one is not None and (isinstance(one.value, str) or one.note) for one in column)
        style = "italic" if head.kind is Kind.MODELLED else None
        table.add_column(Text(head.heading), justify="left" if text else "right", style=style, overflow="fold")


def shown(column: Column | None) -> Text:
    """A figure with its unit, and the note behind it; nothing where it is not known."""
    if column is None or column.value is None:
        return Text("")
    return Text(f"{_value(column)}, {column.note}" if column.note else _value(column))


def _value(column: Column) -> str:
    value = column.value
    if value is None or isinstance(value, str):
        return value or ""
    if column.unit == "B":
        return size(value)
    if column.unit == "s":
        return seconds(value)
    if column.unit == "%":
        return f"{100 * value:.3g}%"
    if column.unit == "x":
        return f"{value:.2f}x"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
