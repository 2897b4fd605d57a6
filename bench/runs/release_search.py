"""The search for the release, and for the package, that moved a figure of a cell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.culprit import Culprit, FoundRelease, Search, counts_moved, culprit, first_moved
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.pass_moved import PassSearch, pass_moved
from oneblock.bench.judge.releases import COSTS, GOOD, Moved, figures, key, moved
from oneblock.bench.records.command import run_command
from oneblock.bench.records.record import Record
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store
from oneblock.bench.runs.releases import ReleaseRuns
from oneblock.bench.toolchains.release import Release, Versions

COMPILES = "compiles"  # the figure of a cell that one release compiles and another does not: 1, or 0


@dataclass(frozen=True)
class Subject:
    """The figure of a cell that is looked for."""

    cell: str  # its name, without a release
    key: str
    figure: str

    def value(self, runs: ReleaseRuns, versions: Versions) -> float | None:
        """It with some releases, compiled where it was not; None where they tell none."""
        release = runs.release(versions)
        if release.counts:
            return release.counts.get(self.key, {}).get(self.figure)
        record = self.record(runs, versions)
        if self.figure == COMPILES:
            return float(record is not None and record.status in GOOD)
        known = figures(record)[WHOLE].get(self.figure) if record else None
        return None if known is None else known.value

    def record(self, runs: ReleaseRuns, versions: Versions) -> Record | None:
        """The record of its cell with some releases."""
        return next((one for one in runs.release(versions).records if key(one) == self.key), None)


def check_search(ways: Sequence[Sequence[Versions]], figure: str | None, *, halves: bool) -> None:
    """Refused where something is to be looked for, and there is nothing to look among."""
    if figure and not halves and len(ways) < 2:
        raise Refused(f"--of {figure} says what is searched: expected --bisect beside it, or several packages")
    if (halves or figure) and all(len(way) < 2 for way in ways):
        option = "--bisect" if halves else f"--of {figure}"
        raise Refused(f"{option} looks between releases: expected two or more of a package, and each has one")


def search(runs: ReleaseRuns, ways: Sequence[Sequence[Versions]], figure: str | None, *, halves: bool) -> Search | None:
    """Who moved a figure, or else the cost that moved most, between the earliest releases and the latest.

    Of several packages which; with `halves` the release of the one that is found, or of the only one. None where
    nothing moved.
    """
    old = ways[0][0]
    new = {name: version for way in ways for name, version in way[-1].items() if version != old[name]}
    latest = {**old, **new}
    subject = _subject(runs, old, latest, figure)
    if subject is None:
        return None
    packages = culprit(old, latest, lambda versions: subject.value(runs, versions)) if len(new) > 1 else None
    at_fault = next(iter(new)) if packages is None else _at_fault(packages)
    release = None
    if halves and at_fault is not None:
        way = next(way for way in ways if way[-1][at_fault] != old[at_fault])
        release = first_moved(way, lambda versions: subject.value(runs, versions))
    passes = _passes(runs, subject, release) if release else None
    return Search(subject.cell, subject.figure, release, packages, passes)


def _at_fault(packages: Culprit) -> str | None:
    """The one package whose releases are searched; None where none by itself moved anything, or several did all."""
    if packages.together:
        return packages.largest_part
    return packages.packages[0] if len(packages.packages) == 1 else None


def _passes(runs: ReleaseRuns, subject: Subject, found: FoundRelease) -> PassSearch:
    """Which pass it was: the cell alone is compiled once more in both releases, and every pass kept meanwhile."""
    if runs.script is not None:
        return PassSearch(refused="of a script's programs no passes are kept")
    if subject.figure == COMPILES:
        return PassSearch(refused="what is not compiled leaves no text after its passes")
    ends = [subject.record(runs, versions) for versions in (found.before, found.after)]
    with scratch("passes") as folder:
        made: list[Record] = []
        for versions, one in zip((found.before, found.after), ends, strict=True):
            assert one is not None, "a release that was found told the figure"
            bare = replace(one, cell=replace(one.cell, toolchain=None))
            words = (*shlex.split(run_command(bare))[2:], "--stages", "all")
            release = replace(runs, words=words, directory=folder, done={}).release(versions)
            made += release.records
            if not release.records:
                return PassSearch(refused=f"{release.name} with every pass kept: {release.reason}")
        return pass_moved(made[0], made[1], Store(folder), subject.figure)


def _subject(runs: ReleaseRuns, old: Versions, new: Versions, figure: str | None) -> Subject | None:
    """The figure that is named, of the cell where it moved most; or of all costs the one that did."""
    ends = [runs.release(versions) for versions in (old, new)]
    if not all(one.made for one in ends):
        why = "; ".join(f"{one.name}: {one.reason}" for one in ends if not one.made)
        raise Refused(f"the search needs both ends: {why}", 1)
    known = _figures(ends)
    if figure not in (None, COMPILES, *known):
        expected = f"expected a figure that the ends tell: {', '.join(known) or 'they tell none'}"
        raise Refused(f"--of {figure}: {expected}")
    if ends[0].counts:
        told = [one for one in counts_moved(*ends) if figure in (None, one.figure)]
        loudest = max(told, key=lambda one: _share(*one.values), default=None)
        return None if loudest is None else Subject(loudest.case, loudest.case, loudest.figure)
    pairs = moved(ends[0].records, ends[1].records, Store(runs.directory))
    for one in pairs:
        if figure in (None, COMPILES) and one.status is not None and one.cell.status not in GOOD:
            return Subject(_name(one), key(one.cell), COMPILES)
    changed = [
        (change, one)
        for one in pairs
        for step, change in one.alarms
        if step == WHOLE and (change.name == figure if figure else change.name in COSTS)
    ]
    if not changed:
        return None
    change, one = max(changed, key=lambda both: _share(both[0].before.value, both[0].after.value))
    return Subject(_name(one), key(one.cell), change.name)


def _name(one: Moved) -> str:
    cell = one.cell.cell
    return f"{cell.subject} {cell.backend} {cell.ops} {cell.target}"


def _figures(releases: Sequence[Release]) -> list[str]:
    """The names of all that can be looked for in some releases."""
    counted = [counts for one in releases for counts in one.counts.values()]
    recorded = [figures(record)[WHOLE] for one in releases for record in one.records]
    return sorted({name for told in (*counted, *recorded) for name in told})


def _share(before: float, after: float) -> float:
    """By how much of the smaller value it moved; all of it where that is 0."""
    small, large = sorted((abs(before), abs(after)))
    return (large - small) / small if small else float("inf")
