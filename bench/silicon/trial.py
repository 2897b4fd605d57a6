"""The model of a launch on trial: fitted on half of the groups of shapes, tried on the others and on other chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneblock.bench.silicon.launches import Launches
from oneblock.bench.silicon.model import Demand, Limits, Shares, bare_roofline, fitted
from oneblock.bench.silicon.rows import Rows
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu

PEAKS = {"bfloat16": "bfloat16", "fp8": "float8_e4m3fn"}  # of a chip, by the rows' names of dtypes
COVERED = 0.9  # of the rows lie in the range that is printed, if it is right
_FITTED = 2000  # rows of a file: more change no share's second digit
_FEWEST = 20  # groups of shapes, of which half are held out
_SHOWN = 500  # points of a picture
_SEED = 0


@dataclass(frozen=True)
class Error:
    """How far reported times lie from modelled ones, on rows that the fit has not seen."""

    median_log: float  #: of |log(reported / modelled)|
    low: float  #: of reported / modelled: the range that the fitted rows have
    high: float
    covered: float  #: which part of the rows lies in it

    @classmethod
    def of(cls, modelled: np.ndarray, reported: np.ndarray, low: float, high: float) -> Error:
        """Of seconds (rows,) each."""
        ratio = reported / modelled
        covered = float(np.mean((ratio >= low) & (ratio <= high)))
        return cls(float(np.median(np.abs(np.log(ratio)))), low, high, covered)


@dataclass(frozen=True)
class Tried:
    """What the trial says of one file of rows on a chip that is known."""

    target: str
    rows: Rows
    limits: Limits
    groups: int  #: of rows that tell of each other, as those of equal (N, K) do
    shares: Shares
    held_out: Error
    left_out: Error | None  #: by the shares of all other chips together; None of one chip alone
    bare_median_log: float  #: of the data sheet's roofline, on the same rows
    seen: np.ndarray  #: (modelled and reported, rows) seconds of some rows that were held out
    faster: float  #: which part of the rows is faster than that roofline: what it read lay in a cache

    def seconds(self, launches: Launches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(median, 5 %, 95 %), (rows,) each, that launches would take on this chip. Kind: modelled."""
        modelled = Demand(launches, self.limits).seconds(self.shares)
        return modelled, modelled * self.held_out.low, modelled * self.held_out.high


@dataclass(frozen=True)
class _Half:
    """A file's rows in two halves by groups of shapes, of the first a part."""

    target: str
    rows: Rows
    limits: Limits
    groups: int
    fit: np.ndarray
    held: np.ndarray

    def demand(self, which: np.ndarray) -> Demand:
        return Demand(self.rows.launches.of(which), self.limits)


def trials(files: Sequence[Rows]) -> tuple[list[Tried], list[str]]:
    """(the trial of each file whose chip is known, why the others have none)."""
    known = {gpu.name: gpu for gpu in chips.every(Gpu)}
    found, left = [], []
    for rows in files:
        gpu, device = known.get(rows.provenance.device), rows.provenance.device
        if gpu is None:
            left.append(f"{device}: no chip of that name is known here")
        elif (peak := PEAKS[rows.dtype]) not in gpu.peaks:
            left.append(f"{gpu.target}: no peak of {peak} is known, so there is no model")
        elif (half := _halves(gpu.target, rows, Limits.stated(gpu, peak))) is None:
            left.append(f"{gpu.target}: fewer than {_FEWEST} groups of shapes: none can be held out")
        else:
            found.append(half)
    return _tried(found), [*dict.fromkeys(left)]


def _halves(target: str, rows: Rows, limits: Limits) -> _Half | None:
    """By groups, since rows of one tell of each other; None of too few groups."""
    _, group = np.unique(rows.launches.group, axis=1, return_inverse=True)
    group, many = group.ravel(), int(group.max()) + 1
    if many < _FEWEST:
        return None
    draw = np.random.default_rng(_SEED)
    first = draw.permutation(many) % 2 == 0
    fit = np.flatnonzero(first[group])
    fit = draw.choice(fit, min(_FITTED, len(fit)), replace=False)
    return _Half(target, rows, limits, many, fit, np.flatnonzero(~first[group]))


def _tried(found: Sequence[_Half]) -> list[Tried]:
    """Every file's trial; `left_out` is by all files of other targets."""
    demands = [one.demand(one.fit) for one in found]
    seconds = [one.rows.seconds[one.fit] for one in found]
    told = []
    for number, one in enumerate(found):
        shares = fitted([demands[number]], [seconds[number]])
        low, high = _range(demands[number : number + 1], seconds[number : number + 1], shares)
        held, reported = one.demand(one.held), one.rows.seconds[one.held]
        modelled = held.seconds(shares)
        others = [n for n, other in enumerate(found) if other.target != one.target]
        left_out = None
        if others:
            apart = [demands[n] for n in others], [seconds[n] for n in others]
            theirs = fitted(*apart)
            left_out = Error.of(held.seconds(theirs), reported, *_range(*apart, theirs))
        bare = bare_roofline(one.rows.launches.of(one.held), one.limits)
        told.append(
            Tried(
                target=one.target,
                rows=one.rows,
                limits=one.limits,
                groups=one.groups,
                shares=shares,
                held_out=Error.of(modelled, reported, low, high),
                left_out=left_out,
                bare_median_log=float(np.median(np.abs(np.log(reported / bare)))),
                seen=np.stack([modelled, reported])[:, _spread(len(reported))],
                faster=float(np.mean(reported < bare)),
            )
        )
    return told


def _spread(rows: int) -> np.ndarray:
    """Numbers (points,) of rows, as many as a picture shows."""
    return np.random.default_rng(_SEED).choice(rows, min(_SHOWN, rows), replace=False)


def _range(demands: Sequence[Demand], seconds: Sequence[np.ndarray], shares: Shares) -> tuple[float, float]:
    """Between which ratios to the model most of the fitted rows lie, as many beyond on either side."""
    ratio = np.concatenate([t / one.seconds(shares) for one, t in zip(demands, seconds, strict=True)])
    beyond = (1 - COVERED) / 2
    low, high = np.quantile(ratio, [beyond, 1 - beyond])
    return float(low), float(high)
