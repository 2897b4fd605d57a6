"""Statistics of raw samples: the centre, its interval, and whether two sets differ."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import numpy as np

Launches = Sequence[Sequence[float]]  # raw seconds, one sequence a process

_RESAMPLES = 2000
_TOGETHER = 64  # pairs; their resamples are some MB
_SEED = 0x0B10C  # of the bootstrap, so that the same samples give the same interval
CONFIDENCE = 0.99


class Verdict(StrEnum):
    """Of B against A."""

    SAME = "SAME"
    FASTER = "FASTER"
    SLOWER = "SLOWER"
    AMBIGUOUS = "AMBIGUOUS"
    ACROSS = "ACROSS"  # of two machines: a ratio, and no verdict


@dataclass(frozen=True)
class Difference:
    """B's time as a ratio of A's, with its 99 % interval, and p of the Mann-Whitney test behind the verdict."""

    verdict: Verdict
    ratio: float
    low: float
    high: float
    p: float
    why: str


def centre(launches: Launches) -> float:
    """The median over processes of the median over samples: no single process or sample moves it far."""
    return float(statistics.median(statistics.median(samples) for samples in launches))


def interval(launches: Launches) -> tuple[float, float]:
    """The 99 % bootstrap interval of `centre`, resampling processes, and within them samples."""
    low, high = np.percentile(_bootstrap(_stacked([launches])), _tails())
    return float(low), float(high)


def spread(samples: Sequence[float]) -> float:
    """The interquartile range as a share of the median."""
    first, middle, third = np.percentile(samples, [25, 50, 75])
    return float((third - first) / middle)


def difference(a: Launches, b: Launches, min_effect: float) -> Difference:
    """Whether B differs from A by at least `min_effect`, as a share of A; see `differences`."""
    return differences([(a, b, min_effect)])[0]


def differences(pairs: Sequence[tuple[Launches, Launches, float]]) -> list[Difference]:
    """Of each (A, B, the smallest effect that counts, as a share of A) whether B differs from A.

    FASTER and SLOWER need a difference that chance does not explain (`_apart`), and one that matters. SAME needs an
    interval within the smallest effect. Pairs with as many samples are computed together, which takes a tenth.
    """
    alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for index, (a, b, _) in enumerate(pairs):
        alike.setdefault((tuple(map(len, a)), tuple(map(len, b))), []).append(index)
    found: dict[int, Difference] = {}
    for group in alike.values():
        for chunk in (group[start : start + _TOGETHER] for start in range(0, len(group), _TOGETHER)):
            found |= zip(chunk, _of_one_shape([pairs[index] for index in chunk]), strict=True)
    return [found[index] for index in range(len(pairs))]


def _of_one_shape(pairs: Sequence[tuple[Launches, Launches, float]]) -> Iterator[Difference]:
    a, b = _stacked([one for one, _, _ in pairs]), _stacked([other for _, other, _ in pairs])
    bounds = np.percentile(_bootstrap(b, _SEED + 1) / _bootstrap(a), _tails(), axis=1).T
    for (one, other, least), (low, high), (apart, p) in zip(pairs, bounds.tolist(), _apart(a, b), strict=True):
        yield _verdict(centre(other) / centre(one), low, high, p, least, apart=apart)


def _verdict(ratio: float, low: float, high: float, p: float, min_effect: float, *, apart: bool) -> Difference:
    apart = apart and (low > 1 or high < 1)
    matters = abs(ratio - 1) >= min_effect
    if apart and matters:
        verdict = Verdict.SLOWER if ratio > 1 else Verdict.FASTER
        return Difference(verdict, ratio, low, high, p, "beyond chance and beyond the smallest effect that counts")
    if 1 - min_effect < low and high < 1 + min_effect:
        return Difference(Verdict.SAME, ratio, low, high, p, f"within {min_effect:.0%} either way")
    why = "larger than the smallest effect, but chance could do it" if matters else "too noisy to say"
    return Difference(Verdict.AMBIGUOUS, ratio, low, high, p, why)


def _stacked(alike: Sequence[Launches]) -> list[np.ndarray]:
    """Of each process its samples, smallest first: (sets of launches, samples)."""
    return [np.sort(np.array(process, float), axis=1) for process in zip(*alike, strict=True)]


def _apart(a: list[np.ndarray], b: list[np.ndarray]) -> Iterator[tuple[bool, float]]:
    """(whether chance does not explain the difference, p) of each, by the Mann-Whitney test.

    With several processes a side, chance is judged between processes: samples within one share its luck, so that any
    two processes differ "significantly" by a rank test of their samples. The test is then of the processes' medians, at
    p < 0.01; with fewer than five a side that p cannot be had, and no two may overlap. With one process a side it is of
    the samples, at p < 0.002.
    """
    if min(len(a), len(b)) == 1:
        yield from ((bool(p < 0.002), float(p)) for p in _rank_test(np.hstack(a), np.hstack(b)))
        return
    left, right = (np.stack([np.median(samples, axis=1) for samples in side], axis=1) for side in (a, b))
    parted = (left.max(axis=1) < right.min(axis=1)) | (right.max(axis=1) < left.min(axis=1))
    enough = min(len(a), len(b)) >= 5
    for p, no_overlap in zip(_rank_test(left, right, "exact"), parted, strict=True):
        yield bool(p < 0.01 if enough else no_overlap), float(p)


def _rank_test(a: np.ndarray, b: np.ndarray, method: Literal["auto", "exact"] = "auto") -> np.ndarray:
    """p of each row; rows with ties apart from those without, since one with ties would choose the method for all."""
    from scipy.stats import mannwhitneyu

    tied = (np.diff(np.sort(np.hstack([a, b]), axis=1)) == 0).any(axis=1)
    p = np.empty(len(a))
    for rows in (tied, ~tied):
        if rows.any():
            p[rows] = mannwhitneyu(a[rows], b[rows], axis=1, method=method).pvalue
    return p


def _tails() -> list[float]:
    outside = (1 - CONFIDENCE) / 2 * 100
    return [outside, 100 - outside]


def _bootstrap(processes: list[np.ndarray], seed: int = _SEED) -> np.ndarray:
    """Resampled centres, (sets of launches, resamples): medians within each process, then over resampled processes."""
    within = []
    for number, samples in enumerate(processes):
        thinned = _thinned(samples)
        low, high = _median_ranks(thinned.shape[1], number, seed)
        within.append((thinned[:, low] + thinned[:, high]) / 2)
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
    return low, high
