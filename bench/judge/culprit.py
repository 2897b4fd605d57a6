"""Which release moved a figure, by halves; and which package did, of several that moved: the mixed matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from oneblock.bench.judge.pass_moved import PassSearch
from oneblock.bench.toolchains.release import Release, Versions

Value = Callable[[Versions], float | None]  # of the figure with these releases; None where there is none


@dataclass(frozen=True)
class FoundRelease:
    """The two neighbours between which a figure moved, with its value in each, and in how many builds that was found.

    Releases between the two that tell no number are named: any of them may have done it.
    """

    before: Versions
    after: Versions
    values: tuple[float, float]
    builds: int  # besides the two ends
    silent: tuple[Versions, ...] = ()


def first_moved(points: Sequence[Versions], value: Value) -> FoundRelease | None:
    """The release with which a figure went from near its first value to near its last; None where these are equal.

    Of n releases it asks for the ends, and then for log2(n - 1) more, rounded up. One that tells nothing is passed over
    for its nearest neighbour.
    """
    first, last = value(points[0]), value(points[-1])
    if first is None or last is None or first == last:
        return None
    low, high, builds = 0, len(points) - 1, 0
    at = {low: first, high: last}
    silent: set[int] = set()
    while left := [n for n in range(low + 1, high) if n not in silent]:
        middle = min(left, key=lambda n: abs(2 * n - low - high))
        found = value(points[middle])
        builds += 1
        if found is None:
            silent.add(middle)
            continue
        at[middle] = found
        if nearer(found, first, last):
            high = middle
        else:
            low = middle
    between = tuple(points[n] for n in sorted(silent) if low < n < high)
    return FoundRelease(points[low], points[high], (at[low], at[high]), builds, between)


def nearer(value: float, old: float, new: float) -> bool:
    """Whether a figure is nearer to its new value than to its old one."""
    return abs(value - new) < abs(value - old)


@dataclass(frozen=True)
class Culprit:
    """The packages that moved a figure: each by itself, or only together; () where no corner tells.

    Together they are also where each moves it, and none near to where all bring it: that is each in part.
    """

    packages: tuple[str, ...]
    together: bool
    corners: tuple[tuple[tuple[str, ...], float | None], ...]  # (packages that are new, the figure)

    @property
    def largest_part(self) -> str | None:
        """The package that moves it most by itself, of some that do so in part; None where none does."""
        (_, start), *others = self.corners
        parts = {
            some[0]: abs(value - start)
            for some, value in others
            if len(some) == 1 and value is not None and start is not None and value != start
        }
        return max(parts, key=lambda name: parts[name], default=None) if self.together else None

    def __str__(self) -> str:
        names = " and ".join(self.packages)
        if not self.packages:
            return "no package alone or with others explains it"
        if self.together:
            silent = [" and ".join(some) for some, found in self.corners if found is None]
            if silent:
                return f"{names} together, or by fewer: new {', new '.join(silent)} without the rest tells nothing"
            return f"{names} together: " + ("each in part" if self.largest_part else "none of them alone")
        return names if len(self.packages) == 1 else f"{names}, each alone"


def culprit(old: Versions, new: Versions, value: Value) -> Culprit | None:
    """Who moved a figure between two sets of releases; None where it did not move, or an end tells nothing.

    Every mixture of old and new is asked for. The fewest packages whose new releases bring the new value are named;
    where several by themselves do, all of them.
    """
    names = [name for name in old if old[name] != new[name]]
    before, after = value(old), value(new)
    if before is None or after is None or before == after:
        return None
    corners: list[tuple[tuple[str, ...], float | None]] = [((), before)]
    for count in range(1, len(names)):
        for some in combinations(names, count):
            corners.append((some, value({**old, **{name: new[name] for name in some}})))
    corners.append((tuple(names), after))
    moved = [some for some, found in corners[1:] if found is not None and nearer(found, before, after)]
    fewest = min(map(len, moved), default=0)
    those = [some for some in moved if len(some) == fewest]
    packages = tuple(dict.fromkeys(name for some in those for name in some))
    return Culprit(packages, fewest > 1, tuple(corners))


@dataclass(frozen=True)
class CountMoved:
    """A count of a script's in two releases."""

    case: str
    figure: str
    before: str
    after: str
    values: tuple[float, float]


def counts_moved(before: Release, after: Release) -> list[CountMoved]:
    """The counts that both releases tell and that are not the same."""
    return [
        CountMoved(case, figure, before.name, after.name, (was, now))
        for case, figures in before.counts.items()
        for figure, was in figures.items()
        if (now := after.counts.get(case, {}).get(figure)) is not None and now != was
    ]


@dataclass(frozen=True)
class Search:
    """The figure of a cell that was looked for, and who was found to have moved it."""

    cell: str
    figure: str
    release: FoundRelease | None  # None: it was not looked for, or the packages did it together
    packages: Culprit | None  # None: one package moved
    passes: PassSearch | None = None  # None: no release was found
