"""`oneblock compare`: two sets of records."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from oneblock.bench.commands._app import answer, index_option, json_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.judge.compare import Comparison, alone, compare_all, disagreements, exit_code, pair
from oneblock.bench.records.find import load
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.terminal.aligned import MOST_IN_TABLES, aligned
from oneblock.bench.terminal.screen import console


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@index_option
@json_option
def COMMAND(a: Path, b: Path, indexed: bool, as_json: bool) -> None:
    """Say of each cell whether B is the SAME as A, FASTER, SLOWER, or whether it is AMBIGUOUS.

    A and B are records directories or single records. Records whose identity differs (machine, threads, sizes, seeds,
    tier) are not compared; versions of software may differ, and are named. Exit status: 0 if nothing is slower, 1 if
    something is, 2 if something could not be compared.
    """
    left = _read(a, indexed)
    right = left if a.absolute() == b.absolute() else _read(b, indexed)
    pairs, only_a, only_b = pair(left, right)
    if a.is_file() and b.is_file():  # two records that were named are compared, or refused, whatever their names
        pairs, only_a, only_b = [(left[0], right[0])], [], []
    if not pairs:
        one, other = min(product(left, right), key=lambda two: len(disagreements(*two)))
        differ = "; ".join(f"{key}: {x!r} in A, {y!r} in B" for key, (x, y) in disagreements(one, other).items())
        raise Refused(
            f"{a} and {b} have no cell in common; the most alike are {one.cell.name} in A and {other.cell.name} in B, "
            f"which are not the same thing: {differ}"
        )
    found = compare_all(pairs)
    for side, records in (("A", only_a), ("B", only_b)):
        if records:
            note(f"only in {side}: {', '.join(alone(records, pairs))}")
    if as_json:
        answer(found)
    else:
        _print(found)
    raise SystemExit(exit_code(found))


def _read(path: Path, indexed: bool) -> list[Record]:
    if path.is_file():
        return [read_record(path)]
    return [record for _, record in load(Store(path), indexed=indexed)]


_COLUMNS = ("cell", "verdict", "B / A", "99 % interval", "why")


def _print(found: list[Comparison]) -> None:
    rows = [_row(one) for one in found]
    if len(rows) > MOST_IN_TABLES:
        say("\n".join(aligned([_COLUMNS, *rows], words=(0, 1, 3, 4))))
    else:
        console().print(_table(rows))
    for line in dict.fromkeys(line for one in found for line in one.software):
        console().print(Text(f"differs, and may: {line}"))


def _row(one: Comparison) -> tuple[str, ...]:
    if one.difference is None:
        return one.name, "not compared", "", "", one.refused or ""
    d = one.difference
    return one.name, d.verdict, f"{d.ratio:.3f}", f"{d.low:.3f} to {d.high:.3f}", d.why


def _table(rows: list[tuple[str, ...]]) -> Table:
    styles = {"SLOWER": "bold red", "FASTER": "bold green", "AMBIGUOUS": "yellow", "not compared": "yellow"}
    table = Table(title="B against A: measured cold time", title_justify="left", title_style="bold")
    for column in _COLUMNS:
        table.add_column(column)
    for name, verdict, *others in rows:
        table.add_row(Text(name), Text(verdict, style=styles.get(verdict, "")), *map(Text, others))
    return table
