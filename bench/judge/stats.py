"""Statistics of raw samples: the centre, its interval, and whether two sets differ."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Launches = Sequence[Sequence[float]]  # raw seconds, one sequence a process

_RESAMPLES = 2000
_SEED = 0x0B10C  # of the bootstrap, so that the same samples give the same interval
CONFIDENCE = 0.99


class Verdict(StrEnum):
    """Of B against A."""

    SAME = "SAME"
    FASTER = "FASTER"
    SLOWER = "SLOWER"
    AMBIGUOUS = "AMBIGUOUS"


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
    low, high = np.percentile(_bootstrap(launches), _tails())
    return float(low), float(high)


def spread(samples: Sequence[float]) -> float:
    """The interquartile range as a share of the median."""
    first, middle, third = np.percentile(samples, [25, 50, 75])
    return float((third - first) / middle)


def difference(a: Launches, b: Launches, min_effect: float) -> Difference:
    """Whether B differs from A by at least `min_effect`, as a share of A.

    FASTER and SLOWER need a difference that chance does not explain (`_apart`), and one that matters. SAME needs an
    interval within the smallest effect.
    """
    ratio = centre(b) / centre(a)
    ratios = _bootstrap(b, _SEED + 1) / _bootstrap(a)
    low, high = (float(x) for x in np.percentile(ratios, _tails()))
    apart, p = _apart(a, b)
    apart = apart and (low > 1 or high < 1)
    matters = abs(ratio - 1) >= min_effect
    if apart and matters:
        verdict = Verdict.SLOWER if ratio > 1 else Verdict.FASTER
        return Difference(verdict, ratio, low, high, p, "beyond chance and beyond the smallest effect that counts")
    if 1 - min_effect < low and high < 1 + min_effect:
        return Difference(Verdict.SAME, ratio, low, high, p, f"within {min_effect:.0%} either way")
    why = "larger than the smallest effect, but chance could do it" if matters else "too noisy to say"
    return Difference(Verdict.AMBIGUOUS, ratio, low, high, p, why)


def _apart(a: Launches, b: Launches) -> tuple[bool, float]:
    """(whether chance does not explain the difference, p), by the Mann-Whitney test.

    With several processes a side, chance is judged between processes: samples within one share its luck, so that any
    two processes differ "significantly" by a rank test of their samples. The test is then of the processes' medians, at
    p < 0.01; with fewer than five a side that p cannot be had, and no two may overlap. With one process a side it is of
    the samples, at p < 0.002.
    """
    from scipy.stats import mannwhitneyu

    if min(len(a), len(b)) == 1:
        p = float(mannwhitneyu([s for launch in a for s in launch], [s for launch in b for s in launch]).pvalue)
        return p < 0.002, p
    left, right = ([statistics.median(samples) for samples in side] for side in (a, b))
    p = float(mannwhitneyu(left, right, method="exact").pvalue)
    if min(len(a), len(b)) >= 5:
        return p < 0.01, p
    return max(left) < min(right) or max(right) < min(left), p


def _tails() -> list[float]:
    outside = (1 - CONFIDENCE) / 2 * 100
    return [outside, 100 - outside]


def _bootstrap(launches: Launches, seed: int = _SEED) -> np.ndarray:
    """Resampled centres. Medians within each process first: (processes, resamples), then over resampled processes."""
    rng = np.random.default_rng(seed)
    within = np.stack([_resampled_medians(np.asarray(samples), rng) for samples in launches])
    chosen = rng.integers(len(launches), size=(len(launches), _RESAMPLES))
    return np.asarray(np.median(within[chosen, np.arange(_RESAMPLES)], axis=0))


def _resampled_medians(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Medians of resamples; beyond 500 samples a median hardly moves, and 500 of them stand for all."""
    if samples.size > 500:
        samples = samples[np.linspace(0, samples.size - 1, 500).astype(int)]
    return np.asarray(np.median(rng.choice(samples, size=(_RESAMPLES, samples.size)), axis=1))
