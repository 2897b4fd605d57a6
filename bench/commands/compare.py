"""`oneblock compare`: two sets of records."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click
from rich.text import Text

from oneblock.bench.commands._command import answer, command, explain_option, index_option, json_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.judge.compare import Comparison, compare_all, disagreements, exit_code, in_words
from oneblock.bench.judge.pairs import alone, pair
from oneblock.bench.records.find import load
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.terminal.aligned import MOST_IN_TABLES, aligned
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.screen import console


@command(
    "compare",
    "oneblock compare before after",
    "oneblock compare here there --across",
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--across", is_flag=True, help="Compare across machines, threads and tiers: a ratio, and no verdict.")
@index_option
@explain_option
@json_option
def COMMAND(a: Path, b: Path, across: bool, indexed: bool, as_json: bool) -> None:
    """Say of each cell whether B is the SAME as A, FASTER, SLOWER, or whether it is AMBIGUOUS.

    A and B are records directories or single records. Records whose identity differs (machine, variables that choose
    instructions or threads, sizes, seeds, tier) are not compared; versions of software may differ, and are named.
    With --across machine, threads and tier may differ, too. What was compiled or interpreted is compared by its counts.
    Exit status: 0 if nothing is slower or more, 1 if something is, 2 if something could not be compared.
    """
    left = _read(a, indexed)
    right = left if a.absolute() == b.absolute() else _read(b, indexed)
    pairs, only_a, only_b = pair(left, right)
    if a.is_file() and b.is_file():  # two records that were named are compared, or refused, whatever their names
        pairs, only_a, only_b = [(left[0], right[0])], [], []
    if not pairs:
        one, other = min(product(left, right), key=lambda two: len(disagreements(*two)))
        differ = "; ".join(in_words(disagreements(one, other)))
        raise Refused(
            f"{a} and {b} have no cell in common; the most alike are {one.cell.name} in A and {other.cell.name} in B, "
            f"which are not the same thing: {differ}"
        )
    found = compare_all(pairs, across=across)
    for side, records in (("A", only_a), ("B", only_b)):
        if records:
            note(f"only in {side}: {', '.join(alone(records, pairs))}")
    if as_json:
        answer([vars(one) | {"verdict": one.verdict} for one in found])
    else:
        _print(found)
        if across:
            _print_machines(pairs)
    raise SystemExit(exit_code(found))


def _read(path: Path, indexed: bool) -> list[Record]:
    if path.is_file():
        return [read_record(path)]
    return [record for _, record in load(Store(path), indexed=indexed)]


_COLUMNS = ("cell", "verdict", "B / A", "99 % interval", "would find", "why")


def _print(found: list[Comparison]) -> None:
    rows = [_row(one) for one in found]
    if len(rows) > MOST_IN_TABLES:
        say("\n".join(aligned([_COLUMNS, *rows], words=(0, 1, 3, 5))))
    else:
        console().print(_table(rows))
    for line in dict.fromkeys(line for one in found for line in one.across):
        console().print(Text(f"differs between A and B: {line}"))
    for line in dict.fromkeys(line for one in found for line in one.software):
        console().print(Text(f"differs, and may: {line}"))


def _print_machines(pairs: list[tuple[Record, Record]]) -> None:
    for side, records in zip("AB", zip(*pairs, strict=True), strict=True):
        facts = [record.environment.facts() for record in records]
        told = (
            ", ".join(f"{key} {of[key]}" for key in ("cpu", "cores", "threads", "memory_gib") if key in of)
            for of in facts
        )
        for machine in dict.fromkeys(told):
            console().print(Text(f"{side} was made on: {machine}"))


def _row(one: Comparison) -> tuple[str, ...]:
    if one.refused is not None:
        return one.name, one.verdict, "", "", "", one.refused
    if one.counts is not None:
        moved = [str(change) for change in one.counts if not change.same]
        told = "; ".join(moved) or f"{len(one.counts)} counts are the same"
        return one.name, one.verdict, "", "", "", told
    assert one.difference is not None, "what is not refused has counts or times"
    d = one.difference
    return one.name, d.verdict, f"{d.ratio:.3f}", f"{d.low:.3f} to {d.high:.3f}", f"{d.least_found:.0%}", d.why


def _table(rows: list[tuple[str, ...]]) -> Table:
    styles = {
        "SLOWER": "bold red",
        "FASTER": "bold green",
        "MORE": "red",
        "LESS": "green",
        "AMBIGUOUS": "yellow",
        "not compared": "yellow",
    }
    table = Table(title="B against A: measured cold time", title_justify="left", title_style="bold")
    for column in _COLUMNS:
        table.add_column(column)
    for name, verdict, *others in rows:
        table.add_row(Text(name), Text(verdict, style=styles.get(verdict, "")), *map(Text, others))
    return table
