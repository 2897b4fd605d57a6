"""Statistics of raw samples: the centre, its interval, and whether two sets differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from oneblock.bench.records.disturbance import Spread

Launches = Sequence[Sequence[float]]  # raw seconds, one sequence a process

_RESAMPLES = 2000
_TOGETHER = 64  # pairs; their resamples are some MB
_POWER = 1.2816  # standard deviations: what lies so far beyond the bound is found nine times in ten
_ENOUGH = 4  # degrees of freedom, with which processes tell of themselves how they differ
_ALIKE = 1.5
_LEAST_SPREAD = 1e-3  # no clock is so good that medians of processes agree by less
_SEED = 0x0B10C  # of the bootstrap, so that the same samples give the same interval
CONFIDENCE = 0.99  # of an interval that is shown
_CERTAIN = 0.995  # that a difference is no chance: of a hundred unchanged pairs at most one may be called different
# Where it was never learnt how processes of the same differ: unchanged cells, run twice on a quiet machine that was
# shared, lay up to a fifth apart.
ASSUMED = Spread(share=0.10, degrees=8)


class Verdict(StrEnum):
    """Of B against A."""

    SAME = "SAME"
    FASTER = "FASTER"
    SLOWER = "SLOWER"
    AMBIGUOUS = "AMBIGUOUS"
    ACROSS = "ACROSS"  # of two machines: a ratio, and no verdict


@dataclass(frozen=True)
class Difference:
    """B's time as a ratio of A's, with its 99 % interval, and p of the t test behind the verdict."""

    verdict: Verdict
    ratio: float
    low: float
    high: float
    p: float
    least_found: float  # the smallest difference, as a share of A, that would have been found nine times in ten
    why: str


def centre(launches: Launches) -> float:
    """The median over processes of the median over samples: no single process or sample moves it far."""
    return median(_middles(launches))


def _middles(launches: Launches) -> list[float]:
    """The median of each process."""
    return [median(samples) for samples in launches]


def interval(launches: Launches, between: Spread | None = None) -> tuple[float, float]:
    """The 99 % interval of `centre`: bootstrapped over processes and samples, and no narrower than processes differ."""
    low, high = intervals([launches])[0]
    middles = _middles(launches)
    return (low, high) if between is None else _chance([middles], between).around(median(middles), low, high)


def intervals(sets: Sequence[Launches]) -> list[tuple[float, float]]:
    """Of each set of launches its `interval`; those with as many samples are computed together."""
    found: dict[int, tuple[float, float]] = {}
    for chunk in _chunks([tuple(map(len, launches)) for launches in sets]):
        found |= zip(chunk, _bounds(_bootstrap(_stacked([sets[index] for index in chunk]))), strict=True)
    return [found[index] for index in range(len(sets))]


def _chunks(shapes: Sequence[Hashable]) -> Iterator[list[int]]:
    """The places of those of one shape, few enough to be computed together."""
    alike: dict[Hashable, list[int]] = {}
    for index, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(index)
    for group in alike.values():
        yield from (group[start : start + _TOGETHER] for start in range(0, len(group), _TOGETHER))


def spread(samples: Sequence[float]) -> float:
    """The interquartile range as a share of the median."""
    first, middle, third = np.percentile(samples, [25, 50, 75])
    return float((third - first) / middle)


class Pair(NamedTuple):
    """Two sets of launches of one thing, and what of their machine a verdict must know."""

    a: Launches
    b: Launches
    min_effect: float  # the smallest that counts, as a share of A
    between: Spread | None = None  # processes of the same on this machine; None where it was never learnt
    paces_apart: float = 0.0  # the logarithm of the ratio of the canary's times: what the machine itself did


def difference(*pair: Any) -> Difference:
    """Whether B differs from A, of the fields of a `Pair`; see `differences`."""
    return differences([Pair(*pair)])[0]


def differences(pairs: Sequence[Pair]) -> list[Difference]:
    """Of each pair whether B differs from A.

    FASTER and SLOWER need a difference that chance does not explain (`_chance`), and one that matters. SAME needs an
    interval within the smallest effect. Pairs with as many samples are computed together, which takes a tenth.
    """
    found: dict[int, Difference] = {}
    for chunk in _chunks([(tuple(map(len, a)), tuple(map(len, b))) for a, b, *_ in pairs]):
        found |= zip(chunk, _of_one_shape([pairs[index] for index in chunk]), strict=True)
    return [found[index] for index in range(len(pairs))]


def _of_one_shape(pairs: Sequence[Pair]) -> Iterator[Difference]:
    a, b = _stacked([pair.a for pair in pairs]), _stacked([pair.b for pair in pairs])
    for pair, (low, high) in zip(pairs, _bounds(_bootstrap(b, _SEED + 1) / _bootstrap(a)), strict=True):
        yield _verdict(pair, low, high)


def _verdict(pair: Pair, low: float, high: float) -> Difference:
    a, b, min_effect = _middles(pair.a), _middles(pair.b), pair.min_effect
    ratio, chance = median(b) / median(a), _chance([a, b], pair.between)
    low, high = chance.around(ratio, low, high, pair.paces_apart)
    least = chance.half(_CERTAIN) + pair.paces_apart
    matters = abs(ratio - 1) >= min_effect
    apart = (low > 1 or high < 1) and abs(chance.middle) > least
    found = math.expm1(max(least, math.log1p(min_effect)) + _POWER * chance.error)
    if apart and matters:
        verdict = Verdict.SLOWER if ratio > 1 else Verdict.FASTER
        why = f"beyond what processes differ by ({chance.source}) and beyond the smallest effect that counts"
    elif 1 - min_effect < low and high < 1 + min_effect:
        verdict, why = Verdict.SAME, f"within {min_effect:.0%} either way"
    else:
        verdict = Verdict.AMBIGUOUS
        why = "processes of the same differ by as much" if matters else "too few processes to say"
        why = f"{why} ({chance.source})"
        if pair.paces_apart > math.log1p(min_effect):
            why += f"; the machine's own pace differs, by {math.expm1(pair.paces_apart):.0%}"
    return Difference(verdict, ratio, low, high, chance.p(), found, why)


@dataclass(frozen=True)
class Chance:
    """What chance does to the logarithm of a centre, or of a ratio of two."""

    middle: float  # that logarithm
    error: float  # its standard deviation
    degrees: int  # of freedom, with which that is known
    source: str  # "3.0%, learnt on this machine"
    own: bool  # whether it is the processes' own, which holds what samples within them do

    def half(self, confidence: float) -> float:
        """Half an interval of that confidence, by Student's t."""
        return float(_students_t()[1](self.degrees, (1 + confidence) / 2)) * self.error

    def p(self) -> float:
        """How often chance alone gives such a ratio, or one further from 1."""
        return 2 * float(_students_t()[0](self.degrees, -abs(self.middle) / self.error))

    def around(self, shown: float, low: float, high: float, more: float = 0.0) -> tuple[float, float]:
        """The interval around a centre or ratio that is shown; the bootstrap's too where samples are all there is."""
        half = self.half(CONFIDENCE) + more
        bounds = [shown, math.exp(self.middle - half), math.exp(self.middle + half)]
        bounds += [] if self.own else [low, high]
        return min(bounds), max(bounds)


@cache
def _students_t() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How often it lies below a value, and its quantile: thousands of pairs ask the latter the same few."""
    from scipy.special import stdtr, stdtrit  # which takes 0.2 s to import

    return stdtr, cache(stdtrit)


def _chance(sides: Sequence[Sequence[float]], between: Spread | None) -> Chance:
    """Samples within a process share its luck, so chance is judged between processes: by their medians.

    By these processes' own where there are enough of them, and never by less than this machine's were seen to differ;
    where it never was learnt by how much, it is assumed.
    """
    logs = [[math.log(middle) for middle in side] for side in sides]
    means = [math.fsum(one) / len(one) for one in logs]
    middle, degrees = means[-1] - (means[0] if len(logs) > 1 else 0.0), sum(map(len, logs)) - len(logs)
    apart = sum((log - mean) ** 2 for one, mean in zip(logs, means, strict=True) for log in one)
    own = math.sqrt(apart / degrees) if degrees else 0.0
    scale = math.sqrt(sum(1 / len(one) for one in logs))
    enough, learnt = degrees >= _ENOUGH, between or ASSUMED
    alike = between is not None and own < _ALIKE * between.share  # these processes are like those it was learnt from
    known = min(learnt.degrees, _ENOUGH * 3) + degrees if alike else degrees
    if enough and (between is None or own >= between.share):
        source = f"{own:.1%}, of these {degrees + len(sides)} processes"
        return Chance(middle, max(own, _LEAST_SPREAD) * scale, known, source, own=True)
    source = f"{learnt.share:.1%}, learnt on this machine" if between else f"{learnt.share:.0%}, assumed and not learnt"
    return Chance(middle, max(own, learnt.share) * scale, learnt.degrees + degrees, source, own=enough)


def _stacked(alike: Sequence[Launches]) -> list[np.ndarray]:
    """Of each process its samples, smallest first: (sets of launches, samples)."""
    return [np.sort(np.array(process, float), axis=1) for process in zip(*alike, strict=True)]


def _bounds(resampled: np.ndarray) -> list[tuple[float, float]]:
    """Of each row the interval that holds CONFIDENCE of it: sorted, which is twice as fast as `np.percentile`."""
    ranked, outside = np.sort(resampled, axis=1), (1 - CONFIDENCE) / 2 * (resampled.shape[1] - 1)
    rank, beyond = int(outside), outside % 1
    low, high = ranked[:, rank : rank + 2], ranked[:, -rank - 2 : ranked.shape[1] - rank]
    weights = np.array([1 - beyond, beyond])
    return list(zip((low @ weights).tolist(), (high @ weights[::-1]).tolist(), strict=True))


def _bootstrap(processes: list[np.ndarray], seed: int = _SEED) -> np.ndarray:
    """Resampled centres, (sets of launches, resamples): medians within each process, then over resampled processes."""
    within = []
    for number, samples in enumerate(processes):
        thinned = _thinned(samples)
        low, high = _median_ranks(thinned.shape[1], number, seed)
        within.append(thinned[:, low] if low is high else (thinned[:, low] + thinned[:, high]) / 2)
    if len(within) == 1:
        return np.asarray(within[0])
    medians = np.stack(within, axis=2).reshape(len(within[0]), -1)
    chosen = np.random.default_rng(seed).integers(len(within), size=(_RESAMPLES, len(within)))
    resampled = np.take(medians, (chosen + np.arange(_RESAMPLES)[:, None] * len(within)).ravel(), axis=1)
    resampled = np.sort(resampled.reshape(-1, _RESAMPLES, len(within)), axis=2)
    return np.asarray(resampled[..., [(len(within) - 1) // 2, len(within) // 2]].mean(axis=2))


def _thinned(samples: np.ndarray) -> np.ndarray:
    """Beyond 500 sorted samples a resample's median hardly moves, and 500 of them stand for all."""
    if samples.shape[1] <= 500:
        return samples
    return samples[:, np.linspace(0, samples.shape[1] - 1, 500).astype(int)]


@lru_cache(maxsize=512)
def _median_ranks(samples: int, process: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which two of so many sorted samples are in the middle of each resample: the same for all that are as many."""
    ranks = np.random.default_rng((seed, process)).integers(samples, size=(_RESAMPLES, samples))
    middle = [(samples - 1) // 2, samples // 2]
    low, high = np.partition(ranks, middle, axis=1)[:, middle].T
    return low, low if samples % 2 else high
