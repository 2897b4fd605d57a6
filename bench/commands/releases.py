"""`oneblock releases`: the same cells with one release of a toolchain after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from shutil import which

import click

from oneblock.bench.cells.toolchain import told
from oneblock.bench.commands import run
from oneblock.bench.commands._command import answer, check_given, command, json_option, records_option
from oneblock.bench.commands._options import finite
from oneblock.bench.commands.budget import budgets_option, shut_by
from oneblock.bench.commands.report import write
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.judge.compile_times import LEAST, Timed
from oneblock.bench.judge.culprit import CountMoved, Search, counts_moved
from oneblock.bench.judge.releases import Moved, neighbours
from oneblock.bench.records.budget import budgets
from oneblock.bench.records.files import check_asked
from oneblock.bench.records.store import Store
from oneblock.bench.runs.compile_times import compile_times
from oneblock.bench.runs.release_search import check_search, search
from oneblock.bench.runs.releases import ReleaseRuns
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.releases import (
    count_moves,
    data,
    in_words,
    moved_data,
    moves,
    outcomes,
    partings,
    passes_in_words,
    searched_in_words,
    times_by_turns,
)
from oneblock.bench.terminal.screen import console
from oneblock.bench.toolchains.asked import asked_ways
from oneblock.bench.toolchains.environment import paired
from oneblock.bench.toolchains.foreseen import Foreseen, total
from oneblock.bench.toolchains.release import Release, Versions

# (an option, another, whether they go together or not at all, what to say otherwise)
_RULES = (
    ("rounds", "timed", True, "--rounds are of --compile-time: expected it beside them"),
    ("folder", "gate", True, "--budgets are of --gate: expected it beside them"),
    ("script", "gate", False, "--script counts what no budget is of: leave out --gate"),
    ("script", "page", False, "--script makes no records, and a page is of records: leave out --to"),
)


@command(
    "releases",
    "oneblock releases block --preset llama-1b --dtype bfloat16 --target tpu:v5e --toolchain libtpu=0.0.51,0.0.52",
    "oneblock releases block --preset tiny --target cuda:sm_90 --ops kernels --toolchain triton=3.6.0..3.9.0",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--toolchain", "toolchains", multiple=True, metavar="NAME=SPEC",
    help="Releases of a package: versions, `newest`, and ranges, FIRST..LAST or FIRST..newest, of what the index has.",
)  # fmt: skip
@click.option(
    "--python", "pythons", multiple=True, type=click.Path(path_type=Path),
    help="An interpreter to take where a release has no wheel for this one.  [default: pythonX.Y of PATH, or pyenv's]",
)  # fmt: skip
@click.option(
    "--script", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="In place of cells a program that compiles what it likes and prints JSON last, {case: {figure: number}}.",
)  # fmt: skip
@click.option("--bisect", "halves", is_flag=True, help="Find the release by halves, and then the pass.")
@click.option("--of", "figure", metavar="FIGURE", help="The figure to look for.  [default: the cost that moved most]")
@click.option("--compile-time", "timed", is_flag=True, help="And let the releases compile by turns, and compare times.")
@click.option("--rounds", type=click.IntRange(LEAST), default=5, show_default=True, help="Of --compile-time.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1), default=600.0, show_default=True,
    help="Seconds that one cell may take to compile, or a script with one release.",
)  # fmt: skip
@click.option("--gate", is_flag=True, help="Exit 1 where a cost is beyond its cell's budget; see `oneblock budget`.")
@budgets_option
@click.option(
    "--plan", "only_plan", is_flag=True, help="Say of each release what would be fetched, or why not, and stop."
)
@click.option("--to", "page", type=click.Path(path_type=Path), help="And write the page of all records there.")
@records_option
@json_option
def COMMAND(
    words: tuple[str, ...], toolchains: tuple[str, ...], pythons: tuple[Path, ...], only_plan: bool, halves: bool,
    script: Path | None, figure: str | None, timed: bool, rounds: int, gate: bool, folder: Path, page: Path | None,
    directory: Path, timeout_s: float, as_json: bool,
) -> None:  # fmt: skip
    """Compile the same cells with one release of a toolchain after another, and say what moved, where, since which.

    WORDS are those of `oneblock run`: a workload, sizes, --backend, --target. Each release is fetched once, and stands
    before what is installed here without changing it. One that is not to be had, or dies, is a status with its reason.
    Of several packages each is moved with the earliest of the others, and which of them did it is told by mixing old
    and new. --bisect finds the release in log2 n builds, and then the pass. Counts over equal texts are no alarm.
    With --compile-time the releases that are compared compile each cell by turns, in processes of their own.
    --gate holds each release to the budgets, and a cell that has none to the release before.
    Exit status: 0 if every release compiled some cell, or with --plan is to be had, 1 if one did not or the gate is
    shut, 2 for a mistake, 130 if interrupted.
    """
    check_given(click.get_current_context(), _RULES)
    finite(timeout_s, None)
    words = _checked(words, script, pythons, timeout_s)
    agreed = budgets(folder) if gate else {}
    ways = asked_ways(toolchains)
    check_search(ways, figure, halves=halves)
    store = Store(directory)
    tell = (lambda _: None) if as_json else note
    runs = ReleaseRuns(words, directory, paired(ways[0][0]), pythons, script, timeout_s, tell)
    foreseen = _foreseen(runs, ways, quiet=as_json)
    if only_plan:
        raise SystemExit(_answer_plan(foreseen, at_most=halves, as_json=as_json))
    if not as_json and (sizes := total(foreseen, at_most=halves)):
        note(sizes)
    store.check_writable()
    if page is not None:
        check_asked(page, "--to")
    with going_on("compiling", quiet=as_json) as runs.tell:
        try:
            found = [] if halves else [[runs.release(point) for point in way] for way in ways]
            searched = search(runs, ways, figure, halves=halves) if halves or len(ways) > 1 else None
            if halves and searched and searched.release:
                found = [[runs.release(of) for of in (searched.release.before, searched.release.after)]]
            by_turns = found or [[runs.release(way[0]), runs.release(way[-1])] for way in ways] if timed else []
            times = [compile_times(runs, way, rounds) for way in by_turns]
        except KeyboardInterrupt:
            raise Refused(f"interrupted: {len(runs.done)} releases are done; the same command goes on", 130) from None
    pairs = [one for way in found for one in neighbours(way, store)]
    counts = [one for way in found for a, b in pairwise(filter(_is_made, way)) for one in counts_moved(a, b)]
    shut = shut_by(list(runs.done.values()), runs.walked(ways), store, agreed) if gate else None
    _answer(list(runs.done.values()), pairs, counts, searched, times, shut, as_json=as_json)
    if halves and searched is None:
        said = f"{figure} did not move" if figure else "no cost moved"
        note(f"oneblock: {said} between the earliest releases and the latest; without --bisect those between are tried")
    if page is not None:
        with going_on("drawing the page", quiet=as_json):
            summary = write([directory], page, "oneblock releases")
        note(summary.sentence)
    for sentence in shut or ():
        note(f"the gate is shut: {sentence}")
    raise SystemExit(0 if all(one.compiled for one in runs.done.values()) and not shut else 1)


def _checked(words: Sequence[str], script: Path | None, pythons: Sequence[Path], timeout_s: float) -> tuple[str, ...]:
    """The words of `oneblock run`; a mistake in them is told before anything is asked or fetched."""
    if no := next((path for path in pythons if which(path) is None), None):
        raise Refused(f"--python {no}: expected an interpreter, and no program is there")
    if script is not None:
        if words:
            raise Refused(f"--script compiles what it likes: leave out {' '.join(words)}")
        return ()
    brief = () if "--stages" in words else ("--stages", "brief")  # no simulation, which takes minutes
    words = (*words, *brief, f"--timeout={timeout_s:g}")
    run.COMMAND.make_context("oneblock run", [*words])
    return words


def _is_made(one: Release) -> bool:
    return one.made


def _foreseen(runs: ReleaseRuns, ways: Sequence[Sequence[Versions]], *, quiet: bool) -> list[Foreseen]:
    """What each release takes, once."""
    with going_on("asking the index", quiet=quiet) as runs.tell:
        points = {told(point): point for way in ways for point in way}
        return [Foreseen.of(point, runs.plan(point)) for point in points.values()]


def _answer_plan(found: Sequence[Foreseen], *, at_most: bool, as_json: bool) -> int:
    """The exit status of --plan, which says what is to be had and what it takes."""
    if as_json:
        answer({"plan": found, "at_most": at_most})
    else:
        say("\n".join(one.sentence for one in found))
        note(total(found, at_most=at_most) or "nothing to fetch")
    return 0 if all(one.status is None for one in found) else 1


def _answer(
    releases: Sequence[Release], pairs: Sequence[Moved], counts: Sequence[CountMoved], searched: Search | None,
    times: Sequence[Timed], shut: Sequence[str] | None, *, as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        told_of = {"releases": [data(one) for one in releases], "moved": [moved_data(one) for one in pairs]}
        answer({**told_of, "counts": counts, "search": searched, "gate": shut, "compile_times": times})
        return
    out = console()
    out.print(outcomes(releases))
    if any(one.any for one in pairs):
        out.print(moves([one for one in pairs if one.any]))
    if counts:
        out.print(count_moves(counts))
    for sentence in (*in_words(pairs), *(searched_in_words(searched) if searched else ())):
        out.print(sentence)
    if searched and searched.passes:
        if searched.passes.partings:
            out.print(partings(searched.passes))
        for sentence in passes_in_words(searched.passes):
            out.print(sentence)
    for one in times:
        if one.found:
            out.print(times_by_turns(one))
        for sentence in one.remarks:
            out.print(sentence)
