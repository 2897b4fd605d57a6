"""Whether a release compiles faster or slower than the one before, of times taken by turns.

In each round every release compiles once, so that what a machine does meanwhile is done to all: a release is judged by
its ratios to the one before within rounds. How far two compilations of one release are apart says what that is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.stats import Verdict, interval
from oneblock.bench.records.disturbance import Spread

Round = Mapping[str, Mapping[str, float]]  # seconds by case and clock
LEAST = 3  # rounds
_MATTERS = 0.05  # of a ratio: within so much of 1 either way it is the same
_LEAST_SPREAD = 1e-6  # a clock that never differs would make any difference one


@dataclass(frozen=True)
class CompileTime:
    """One clock of what two releases compile, with the raw seconds of each round in their order."""

    case: str
    clock: str  # "wall", or "processor", which others on the machine disturb less
    before: str
    after: str
    samples_s: tuple[tuple[float, ...], tuple[float, ...]]
    medians_s: tuple[float, float]
    ratio: float  # the median of after / before within a round
    low: float  # of its 99 % interval
    high: float
    same_again: float  # the largest ratio of two compilations of one release, one round after the other
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Timed:
    """What rounds of compiling came to."""

    rounds: int
    found: tuple[CompileTime, ...] = ()
    remarks: tuple[str, ...] = ()  # what gave no times, and why; who else had the machine meanwhile


def compile_time(
    case: str, clock: str, releases: tuple[str, str], a: Sequence[float], b: Sequence[float]
) -> CompileTime:
    """B against A, of seconds by round; SLOWER and FASTER are beyond the interval and beyond what one release does."""
    if len(a) != len(b) or len(a) < LEAST:
        raise Refused(f"{case}: expected {LEAST} rounds or more of both releases, got {len(a)} and {len(b)}")
    apart = [abs(math.log(late / early)) for side in (a, b) for early, late in pairwise(side)]
    ratios = [after / before for before, after in zip(a, b, strict=True)]
    share = max(math.sqrt(math.fsum(one**2 for one in apart) / len(apart)), _LEAST_SPREAD)
    low, high = interval([[one] for one in ratios], Spread(share, 2 * (len(a) // 2)))
    ratio, again = median(ratios), max(apart)
    if abs(math.log(ratio)) > again and (low > 1 or high < 1):
        verdict, why = Verdict.SLOWER if ratio > 1 else Verdict.FASTER, "beyond what compilations of one release do"
    elif low > 1 - _MATTERS and high < 1 + _MATTERS:
        verdict, why = Verdict.SAME, f"within {_MATTERS:.0%} either way"
    else:
        verdict, why = Verdict.AMBIGUOUS, "compilations of one release differ by as much"
    return CompileTime(
        case, clock, *releases, (tuple(a), tuple(b)), (median(a), median(b)), ratio, low, high, math.exp(again),
        verdict, why,
    )  # fmt: skip


def unwatched(of: CompileTime) -> CompileTime:
    """The same without a verdict, as nobody looked whether others disturbed it."""
    why = "nobody looked whether others disturbed it: ONEBLOCK_DISTURBANCE=ignore was set"
    return replace(of, verdict=Verdict.AMBIGUOUS, why=why)


def judged(
    names: Sequence[str], samples: Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]]
) -> list[CompileTime]:
    """Of each case and clock every release against the one before; `samples` are the rounds of each."""
    first = samples[names[0]][0]
    return [
        compile_time(case, clock, (a, b), *([one[case][clock] for one in samples[name]] for name in (a, b)))
        for case, clocks in first.items()
        for clock in clocks
        for a, b in pairwise(names)
    ]
