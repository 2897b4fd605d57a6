"""The model of a launch on trial: fitted on half of the groups of shapes, tried on the others and on other chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneblock.bench.silicon.error import COVERED, Error, off, range_of
from oneblock.bench.silicon.fit import fitted
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.halves import Half, halves
from oneblock.bench.silicon.launches import Launches, Limits
from oneblock.bench.silicon.rows import Rows
from oneblock.bench.silicon.verdict import binding, why_no_model
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu

FEWEST = 20  # groups of shapes, of which half are held out
_SHOWN = 500  # points of a picture
_SEED = 0


@dataclass(frozen=True)
class Faster:
    """Rows that are faster than the data sheet's roofline."""

    part: float  #: of the rows
    in_cache: float | None  #: which part of these has operands that fit in the chip's L2; None where none is stated


@dataclass(frozen=True)
class Tried:
    """What the trial says of one file's rows on a chip that is known."""

    target: str
    rows: Rows
    limits: Limits
    groups: int  #: of rows that tell of each other, as those of equal (N, K) do
    shares: Any  #: the model's Numbers: of the first half
    held_out: Error  #: each half by the numbers of the other; the range is that of the first half
    left_out: Error | None  #: by the numbers of all other chips together; None of one chip alone
    apart: np.ndarray | None  #: (rows,) reported / modelled by those numbers
    half: Half  #: the first, by which `shares` are fitted
    bare_median_log: float | None  #: of the data sheet's roofline; None where it states none
    seen: np.ndarray  #: (modelled and reported, rows) seconds of some rows that were held out
    faster: Faster
    bound: tuple[str, ...]  #: which numbers lie at what physics bounds them by
    wrong: str | None  #: why there is no model of these rows

    def seconds(self, launches: Launches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(median, 5 %, 95 %), (rows,) each, that launches would take on this chip. Kind: modelled."""
        modelled = launches.model(launches, self.limits).seconds(self.shares)
        return modelled, modelled * self.held_out.low, modelled * self.held_out.high


@dataclass(frozen=True)
class _File:
    """A file's rows on a chip, in two halves."""

    target: str
    rows: Rows
    limits: Limits
    groups: int
    halves: tuple[Half, Half]


def trials(files: Sequence[Rows], *, elsewhere: bool = True) -> tuple[list[Tried], list[str]]:
    """(the trial of each file whose chip is known, why the others have none); `elsewhere`: by other chips, too."""
    known = {gpu.name: gpu for gpu in chips.every(Gpu)}
    found, left = [], []
    for rows in files:
        gpu, device = known.get(rows.provenance.device), rows.provenance.device
        if gpu is None:
            left.append(f"{device}: no chip of that name is known here")
        elif (peak := FORMATS[rows.dtype].peak) not in gpu.peaks:
            left.append(f"{gpu.target}: no peak of {peak} is known, so there is no model")
        elif (many := len(np.unique(rows.launches.group, axis=1).T)) < FEWEST:
            left.append(f"{gpu.target}: fewer than {FEWEST} groups of shapes: none can be held out")
        else:
            limits = Limits.stated(gpu, peak)
            found.append(_File(gpu.target, rows, limits, many, halves(rows, limits, COVERED)))
    keys = {(one.target, one.rows.kernel) for one in found if elsewhere}
    theirs = {key: _of_others(*key, found) for key in keys}
    return [_tried(one, theirs.get((one.target, one.rows.kernel))) for one in found], [*dict.fromkeys(left)]


def _of_others(target: str, kernel: str, found: Sequence[_File]) -> tuple[Any, float, float] | None:
    """(numbers, low, high) of that kernel's fitted rows on all other targets together; None where there are none."""
    model = found[0].rows.launches.model
    halved = [one.halves[0] for one in found if one.target != target and one.rows.kernel == kernel]
    halved = [one for one in halved if model.travels(one.limits)]
    if not halved or not all(model.travels(one.limits) for one in found if one.target == target):
        return None
    numbers = together(halved)
    return numbers, *range_of(np.concatenate([one.seconds / one.demand.seconds(numbers) for one in halved]))


def together(halved: Sequence[Half]) -> Any:
    """The numbers by which the model is nearest to the rows of several chips at once."""
    return fitted([one.demand for one in halved], [one.seconds for one in halved], [one.limits for one in halved])


def _tried(one: _File, elsewhere: tuple[Any, float, float] | None) -> Tried:
    """A file's trial: each half by the other's numbers, and both by those of other chips."""
    first, second = one.halves
    error, m, t = held_out(first, second)
    left_out = apart = None
    if elsewhere is not None:
        numbers, low, high = elsewhere
        theirs = np.concatenate([half.demand_of_all.seconds(numbers) for half in (second, first)])
        apart = t / theirs
        left_out = Error(off(t, theirs), low, high, float(np.mean((apart >= low) & (apart <= high))))
    launches = one.rows.launches
    bare = np.concatenate([launches.of(half.all).floor_s(one.limits) for half in (second, first)])
    bound = (*dict.fromkeys(what for half in one.halves for what in half.numbers.at_bound(one.limits)),)
    wrong = why_no_model(error.median_log, error.covered, [binding(half, one.limits) for half in one.halves])
    return Tried(
        one.target, one.rows, one.limits, one.groups, first.numbers, error, left_out, apart, first,
        off(t, bare) if bare.all() else None,
        np.stack([m, t])[:, _spread(len(second.all))], _faster(one), bound, wrong,
    )  # fmt: skip


def held_out(first: Half, second: Half) -> tuple[Error, np.ndarray, np.ndarray]:
    """(each half by the other's numbers and range, and modelled and reported seconds (rows,), the second half's first).

    The range that is told is the first half's.
    """
    modelled = [second.demand_of_all.seconds(first.numbers), first.demand_of_all.seconds(second.numbers)]
    reported = [second.seconds_of_all, first.seconds_of_all]
    ratios = [t / m for m, t in zip(modelled, reported, strict=True)]
    inside = [(r >= by.low) & (r <= by.high) for r, by in zip(ratios, (first, second), strict=True)]
    m, t = np.concatenate(modelled), np.concatenate(reported)
    return Error(off(t, m), first.low, first.high, float(np.mean(np.concatenate(inside)))), m, t


def _faster(one: _File) -> Faster:
    """Of all rows."""
    launches, cache = one.rows.launches, one.limits.cache_bytes
    faster = one.rows.seconds < launches.floor_s(one.limits)
    fits = None if cache is None or not faster.any() else float(np.mean(launches.nbytes[faster] < cache))
    return Faster(float(np.mean(faster)), fits)


def _spread(rows: int) -> np.ndarray:
    """Numbers (points,) of rows, as many as a picture shows."""
    return np.random.default_rng(_SEED).choice(rows, min(_SHOWN, rows), replace=False)
