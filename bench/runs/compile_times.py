"""Releases that compile by turns: each cell, or a script, in a process of its own, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.compile_times import CompileTime, Round, Timed, judged, unwatched
from oneblock.bench.judge.releases import key
from oneblock.bench.records.disturbance import ignored
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import WITHOUT_TIMES, Status
from oneblock.bench.runs.quiet import Quiet, said
from oneblock.bench.runs.releases import ReleaseRuns, ended
from oneblock.bench.toolchains.environment import Environment, made
from oneblock.bench.toolchains.index import NoRelease
from oneblock.bench.toolchains.release import Release
from oneblock.bench.worker.compile_once import of_children
from oneblock.bench.worker.contention import Shares, Window

_COMPILED = (Status.PASSED, Status.DISTURBED, *WITHOUT_TIMES)
_BUSY_CORES = 0.1  # that others had on average: with more the machine was disturbed
_Seconds = Mapping[str, float]  # by clock
_Once = Callable[[Environment], _Seconds]  # NoRelease says why there are none


def compile_times(runs: ReleaseRuns, releases: Sequence[Release], rounds: int) -> Timed:
    """Of what all releases compile; they take turns, and the order is turned round after each round."""
    having = [one for one in releases if one.counts or _compiled(one)]
    missing = [f"no times of {one.name}, which compiled nothing" for one in releases if one not in having]
    if len(having) < 2:
        return Timed(rounds, remarks=(*missing, "compile times are of two releases at the least"))
    plans = [runs.plan(one.versions) for one in having]
    try:
        environments = [made(plan, runs.say) for plan in plans if not isinstance(plan, NoRelease)]
    except NoRelease as error:
        return Timed(rounds, remarks=(error.reason,))
    names = [environment.toolchain or "" for environment in environments]
    found: list[CompileTime] = []
    cases, shares = _cases(runs, having), list[Shares]()
    remarks = [*missing, *([] if cases else ["no cell was compiled with all of these releases"])]
    if len({one.python for one in environments}) > 1:
        remarks.append("these releases have not one Python: what another Python does is in the ratios")
    for case, onces in cases.items():
        samples: dict[str, list[Round]] = {name: [] for name in names}
        try:
            for n in range(rounds):
                turn = [*zip(names, environments, onces, strict=True)]
                for name, environment, once in turn if n % 2 == 0 else turn[::-1]:
                    Quiet().wait(runs.tell)
                    runs.tell(f"round {n + 1} of {rounds}: {name} compiles {case}")
                    seconds, share = _watched(once, environment)
                    samples[name].append({case: seconds})
                    shares += [share] if share is not None else []
        except NoRelease as error:
            remarks.append(f"no times of {case}: {name}: {error.reason}; {error.hint}")
            continue
        found += judged(names, samples)
    if ignored():
        return Timed(rounds, tuple(map(unwatched, found)), tuple(remarks))
    return Timed(rounds, tuple(found), (*remarks, *_disturbed(shares)))


def _cases(runs: ReleaseRuns, releases: Sequence[Release]) -> dict[str, list[_Once]]:
    """By name what compiles it once, for each release: a script, or the cells that all of them compiled."""
    if runs.script is not None:
        return {runs.script.name: [partial(_script, runs.script, runs.timeout_s)] * len(releases)}
    good = [_compiled(one) for one in releases]
    common = [name for name in good[0] if all(name in cells for cells in good)]
    return {
        replace(good[0][name], toolchain=None).name: [partial(_cell, cells[name], runs.timeout_s) for cells in good]
        for name in common
    }


def _compiled(of: Release) -> dict[str, Cell]:
    """By its key in any release each cell that one compiled."""
    return {key(one): one.cell for one in of.records if one.status in _COMPILED}


def _cell(cell: Cell, within_s: float, environment: Environment) -> _Seconds:
    """Of the compilation alone, as its process tells it."""
    words = ["-P", "-m", "oneblock.bench.worker.compile_once", adapter(Cell).dump_json(cell).decode()]
    return ended(environment, [str(environment.python), *words], within_s=within_s).counts(cell.name)[cell.name]


def _script(script: Path, within_s: float, environment: Environment) -> _Seconds:
    """Of the whole process, its imports included."""
    start, used = perf_counter(), of_children()
    command = [str(environment.python), "-P", str(script.absolute())]
    ended(environment, command, within_s=within_s).counts(script.name)
    return {"wall": perf_counter() - start, "processor": of_children() - used}


def _watched(once: _Once, environment: Environment) -> tuple[_Seconds, Shares | None]:
    """(the seconds, who else had the cores meanwhile; None where nothing tells)."""
    window, start, used = Window(), perf_counter(), of_children()
    seconds, shares = once(environment), window.shares()
    own = (of_children() - used) / (perf_counter() - start)
    return seconds, None if shares is None else replace(shares, others=max(0.0, shares.others - own))


def _disturbed(shares: Sequence[Shares]) -> Iterator[str]:
    """Who had the cores, in how many of the compilations; nothing where nobody did."""
    busy = [one for one in shares if one.others + one.stolen >= _BUSY_CORES or one.throttled]
    if busy:
        worst = max(busy, key=lambda one: one.others + one.stolen)
        yield f"disturbed: in {len(busy)} of {len(shares)} compilations others had the cores, at worst {said(worst)}"
