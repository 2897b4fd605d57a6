"""`oneblock releases`: the same cells with one release of a toolchain after another."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from shutil import which

import click
from click.core import ParameterSource

from oneblock.bench.commands import run
from oneblock.bench.commands._command import answer, command, json_option, records_option
from oneblock.bench.commands.budget import budgets_option, shut_by
from oneblock.bench.commands.report import write
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.format.units import size
from oneblock.bench.judge.compile_times import LEAST, Timed
from oneblock.bench.judge.culprit import CountMoved, Search, counts_moved
from oneblock.bench.judge.releases import Moved, neighbours
from oneblock.bench.records.budget import budgets
from oneblock.bench.records.store import Store
from oneblock.bench.runs.compile_times import compile_times
from oneblock.bench.runs.release_search import search
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
from oneblock.bench.toolchains.asked import parse_all, walks
from oneblock.bench.toolchains.index import NoRelease, Wheel, on_offer
from oneblock.bench.toolchains.release import Release, Versions

_PAIRED = ("jax", "libtpu")  # of which an environment of another Python has both, as this one has them
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
    help="Releases of a package: versions, `newest`, and ranges, FIRST..LAST, of what the index has.",
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
@click.option("--gate", is_flag=True, help="Exit 1 where a cost is beyond its cell's budget; see `oneblock budget`.")
@budgets_option
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be fetched and how large it is, and stop.")
@click.option("--to", "page", type=click.Path(path_type=Path), help="And write the page of all records there.")
@records_option
@json_option
def COMMAND(
    words: tuple[str, ...], toolchains: tuple[str, ...], pythons: tuple[Path, ...], only_plan: bool, halves: bool,
    script: Path | None, figure: str | None, timed: bool, rounds: int, gate: bool, folder: Path, page: Path | None,
    directory: Path, as_json: bool,
) -> None:  # fmt: skip
    """Compile the same cells with one release of a toolchain after another, and say what moved, where, since which.

    WORDS are those of `oneblock run`: a workload, sizes, --backend, --target. Each release is fetched once, and stands
    before what is installed here without changing it. One that is not to be had, or dies, is a status with its reason.
    Of several packages each is moved with the earliest of the others, and which of them did it is told by mixing old
    and new. --bisect finds the release in log2 n builds, and then the pass. Equal texts raise no alarm.
    With --compile-time the releases that are compared compile each cell by turns, in processes of their own.
    --gate holds each release to the budgets, and a cell that has none to the release before.
    Exit status: 0 if every release compiled some cell, 1 if one did not or the gate is shut, 2 for a mistake, 130 if
    interrupted.
    """
    _check_options(click.get_current_context())
    words = _checked(words, script)
    ways = _walks(toolchains)
    _check_search(ways, figure, halves=halves)
    agreed = budgets(folder) if gate else {}
    store = Store(directory)
    with going_on("asking the index", quiet=as_json) as tell:
        say = (lambda _: None) if as_json else note
        runs = ReleaseRuns(words, directory, _beside(ways[0][0]), pythons, script, say, tell)
        try:
            points = [point for way in ways for point in ((way[0], way[-1]) if halves else way)]
            wheels = _to_fetch(runs, points)
            _tell_sizes(wheels, quiet=as_json and not only_plan)
            if only_plan:
                raise SystemExit(0)
            store.check_writable()
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


def _check_options(context: click.Context) -> None:
    """Refused says which option has no effect, and which is missing."""
    of = context.params
    given = {name for name in of if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for option, other, together, sentence in _RULES:
        if option in given and (other in given) is not together:
            raise Refused(sentence)
    if of["figure"] and not of["halves"] and len(of["toolchains"]) < 2:
        raise Refused(f"--of {of['figure']} says what is searched: expected --bisect beside it, or several packages")
    if no := next((path for path in of["pythons"] if which(path) is None), None):
        raise Refused(f"--python {no}: expected an interpreter, and no program is there")
    if of["gate"] and not of["folder"].is_dir():
        raise Refused(f"--gate: {of['folder']} is no folder here: expected one of budgets, which --budgets names")


def _check_search(ways: Sequence[Sequence[Versions]], figure: str | None, *, halves: bool) -> None:
    """Refused where a search is asked for and each package has one release."""
    if (halves or figure) and all(len(way) < 2 for way in ways):
        option = "--bisect" if halves else f"--of {figure}"
        raise Refused(f"{option} looks between releases: expected two or more of a package, and each has one")


def _checked(words: Sequence[str], script: Path | None) -> tuple[str, ...]:
    """The words of `oneblock run`; a mistake in them is told before anything is asked or fetched."""
    if script is not None:
        if words:
            raise Refused(f"--script compiles what it likes: leave out {' '.join(words)}")
        return ()
    words = (*words, *(() if "--stages" in words else ("--stages", "brief")))  # no simulation, which takes minutes
    run.COMMAND.make_context("oneblock run", [*words])
    return words


def _is_made(one: Release) -> bool:
    return one.made


def _walks(toolchains: Sequence[str]) -> list[list[dict[str, str]]]:
    """The ways through what was asked for; the index is asked for what lies within ranges."""
    asked = parse_all(toolchains)
    try:
        here = Path(sys.executable)
        known = {one.package: on_offer(one.package, here, one.ends) if one.has_ranges else () for one in asked}
    except NoRelease as refused:
        raise Refused(f"{refused.reason}; {refused.hint}") from refused
    return walks({one.package: one.among(known[one.package]) for one in asked})


def _beside(packages: Iterable[str]) -> Versions:
    """The versions here of what goes with these packages."""
    found = {}
    for name in _PAIRED if {*packages} & {*_PAIRED} else ():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _to_fetch(runs: ReleaseRuns, points: Sequence[Versions]) -> list[Wheel]:
    plans = [runs.plan(point) for point in points]
    wheels = [wheel for one in plans if not isinstance(one, NoRelease) for wheel in one.to_fetch]
    return list({wheel.stem: wheel for wheel in wheels}.values())


def _tell_sizes(wheels: Sequence[Wheel], *, quiet: bool) -> None:
    if quiet or not wheels:
        return
    each = ", ".join(f"{one.name} {one.version} ({'?' if one.bytes is None else size(one.bytes)})" for one in wheels)
    known = sum(one.bytes or 0 for one in wheels)
    unknown = sum(one.bytes is None for one in wheels)
    more = f", and {unknown} of sizes that the index does not tell" if unknown else ""
    note(f"to fetch: {len(wheels)} wheels, {size(known)}{more}: {each}; unpacked they take several times that")


def _answer(
    releases: Sequence[Release], pairs: Sequence[Moved], counts: Sequence[CountMoved], searched: Search | None,
    times: Sequence[Timed], shut: Sequence[str] | None, *, as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        told = {"releases": [data(one) for one in releases], "moved": [moved_data(one) for one in pairs]}
        answer({**told, "counts": counts, "search": searched, "gate": shut, "compile_times": times})
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
