"""`oneblock budget`: the counts that a cell may come to, held and written anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from packaging.utils import canonicalize_name

from oneblock.bench.commands._command import answer, command, json_option, records_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.judge.budgeted import budget_of, cell_name, check, gate, moved_versions, newest_release, toolchain
from oneblock.bench.judge.releases import GOOD, neighbours
from oneblock.bench.records.budget import Budget, budgets, write
from oneblock.bench.records.find import load
from oneblock.bench.records.order import newest
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.bench.toolchains.release import Release

FOLDER = Path("ci") / "budgets"


def budgets_option(command: click.decorators.FC) -> click.decorators.FC:
    """Where budgets lie."""
    return click.option(
        "--budgets", "folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True,
        help="The folder of budgets, a file for each cell.",
    )(command)  # fmt: skip


@command("budget", "oneblock budget check -o records", "oneblock budget update -o records --reason 'fused the norm'")
@click.argument("what", type=click.Choice(["check", "update"]))
@records_option
@budgets_option
@click.option("--reason", help="Of an update: why the counts are what they are; it stands in the file.")
@click.option("--slack", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="A share each may grow by.")
@click.option(
    "--toolchain", "toolchains", multiple=True, metavar="NAME=VERSION",
    help="The release whose records are meant.  [default: the newest that a cell has]",
)  # fmt: skip
@json_option
def COMMAND(
    what: str, directory: Path, folder: Path, reason: str | None, slack: float, toolchains: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Hold each cell's record of its newest release to its budget, or write the budgets anew from the records.

    A budget is of counts alone, which no machine changes: scratch, spills, registers, kernels, traffic, cycles, of the
    whole and of each step. What grew is told with its step and with the releases that differ.
    Exit status: 0 if nothing grew, 1 if something did or a cell with a budget has no record, 2 for a mistake.
    """
    if (what == "update") != (reason is not None):
        said = "expected --reason, which stands in each file" if reason is None else "--reason is of an update"
        raise Refused(f"oneblock budget {what}: {said}")
    found = _meant([record for _, record in newest(load(Store(directory)))], toolchains)
    if what == "update":
        _update(found, folder, reason or "", slack, as_json=as_json)
    else:
        raise SystemExit(_check(found, folder, as_json=as_json))


def _meant(records: list[Record], toolchains: Sequence[str]) -> list[Record]:
    """One record of each cell: of the release that is named, or the newest, whichever ran last."""
    for text in toolchains:
        name, equals, wanted = text.partition("=")
        if not name or not equals or not wanted:
            raise Refused(f"--toolchain {text}: expected NAME=VERSION, as in libtpu=0.0.52")
        there = {toolchain(one).get(canonicalize_name(name)) for one in records}
        if wanted not in there:
            others = ", ".join(sorted(filter(None, there))) or "none"
            raise Refused(f"--toolchain {text}: no record is of it; of {name} there is {others}")
        records = [one for one in records if toolchain(one).get(canonicalize_name(name)) == wanted]
    cells: dict[str, list[Record]] = {}
    for record in records:
        cells.setdefault(cell_name(record), []).append(record)
    return [newest_release(each) for each in cells.values()]


def _update(records: list[Record], folder: Path, reason: str, slack: float, *, as_json: bool) -> None:
    good = [one for one in records if one.status in GOOD and one.facts is not None]
    if not good:
        raise Refused("no record here has counts to make a budget of: `oneblock run` makes some")
    paths = [str(write(budget_of(record, reason, slack), folder)) for record in good]
    answer(paths) if as_json else say("\n".join(paths))


def _check(records: list[Record], folder: Path, *, as_json: bool) -> int:
    known = budgets(folder)
    if not known:
        raise Refused(f"{folder}: no budgets; `oneblock budget update --reason ...` writes some")
    beyond, absent = check(records, known)
    moved = {cell_name(one): moved_versions(one, known[cell_name(one)]) for one in records if cell_name(one) in known}
    if as_json:
        answer({"over": [vars(one) for one in beyond], "absent": absent, "toolchains": moved})
        return 1 if beyond or absent else 0
    for one in beyond:
        since = f"  [{', '.join(moved[one.cell])}]" if moved[one.cell] else ""
        say(f"{one}{since}")
    for name in absent:
        note(f"{name}: has a budget, and no record here")
    if not beyond and not absent:
        say(f"{len(known)} cells are within their budgets")
    return 1 if beyond or absent else 0


def shut_by(
    done: Sequence[Release], walked: Sequence[Sequence[Release]], store: Store, agreed: Mapping[str, Budget]
) -> list[str]:
    """What shuts the gate: releases beyond the budgets, and cells without one beyond the release before on its way.

    Of the first release, which the others are held to, no budget is asked, unless it is the only one. Refused where
    there is nothing to hold any to.
    """
    later = [record for one in done[1:] or done for record in one.records]
    pairs = [one for way in walked for one in neighbours(way, store)]
    held = pairs or any(cell_name(record) in agreed for record in later)
    if not held and all(one.made for one in done):
        raise Refused(
            "--gate: expected a cell with a budget (`oneblock budget update`), or in two releases, got neither"
        )
    return gate(later, pairs, agreed)
