"""The search for the release, and for the package, that moved a figure of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.culprit import Search, counts_moved, culprit, first_moved
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.releases import COSTS, figures, key, moved
from oneblock.bench.records.store import Store
from oneblock.bench.runs.releases import ReleaseRuns
from oneblock.bench.toolchains.release import Versions


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
        found = [one for one in release.records if key(one) == self.key]
        known = figures(found[0])[WHOLE].get(self.figure) if found else None
        return None if known is None else known.value


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
    at_fault = packages.packages[:1] if packages is not None and not packages.together else tuple(new)[:1]
    one = len(new) == 1 or (packages is not None and not packages.together and len(packages.packages) == 1)
    release = None
    if halves and one:
        way = next(way for way in ways if way[-1][at_fault[0]] != old[at_fault[0]])
        release = first_moved(way, lambda versions: subject.value(runs, versions))
    return Search(subject.cell, subject.figure, release, packages)


def _subject(runs: ReleaseRuns, old: Versions, new: Versions, figure: str | None) -> Subject | None:
    """The figure that is named, of the cell where it moved most; or of all costs the one that did."""
    ends = [runs.release(versions) for versions in (old, new)]
    if not all(one.made for one in ends):
        why = "; ".join(f"{one.name}: {one.reason}" for one in ends if not one.made)
        raise Refused(f"the search needs both ends: {why}", 1)
    if ends[0].counts:
        told = [one for one in counts_moved(*ends) if figure in (None, one.figure)]
        loudest = max(told, key=lambda one: _share(*one.values), default=None)
        return None if loudest is None else Subject(loudest.case, loudest.case, loudest.figure)
    changed = [
        (change, one)
        for one in moved(ends[0].records, ends[1].records, Store(runs.directory))
        for step, change in one.alarms
        if step == WHOLE and (change.name == figure if figure else change.name in COSTS)
    ]
    if not changed:
        return None
    change, one = max(changed, key=lambda both: _share(both[0].before.value, both[0].after.value))
    cell = f"{one.cell.cell.subject} {one.cell.cell.backend} {one.cell.cell.ops} {one.cell.cell.target}"
    return Subject(cell, key(one.cell), change.name)


def _share(before: float, after: float) -> float:
    """By how much of the smaller value it moved; all of it where that is 0."""
    small, large = sorted((abs(before), abs(after)))
    return (large - small) / small if small else float("inf")
