"""Flip points: the smallest change of each assumption that reverses the order of two choices, solved for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import copysign, exp, isfinite, log

import numpy as np

FARTHEST = 100.0  # by which an assumption is multiplied, or divided, at most
BESIDE = 1e-3  # of a flip point: on either side of it the order is another
_STEPS = 12  # in which each direction is looked along
LOOKED_AT = (*map(float, np.exp(np.linspace(-log(FARTHEST), log(FARTHEST), 2 * _STEPS + 1))),)
_CLOSE = 1e-6  # of a logarithm: so near to it a point is found

Cost = Callable[[str, str, float], float]  # (choice, assumption, by what it is multiplied); infinite: it cannot serve


@dataclass(frozen=True)
class Flip:
    """Where the order of two choices turns."""

    better: str  #: as assumed
    other: str
    assumption: str
    of: str | None  #: the choice whose assumption it is; None: of both
    by: float  #: what the assumption is multiplied with
    before: tuple[float, float]  #: costs of better and other, BESIDE nearer to what is assumed
    beyond: tuple[float, float]  #: and as much farther

    @property
    def far(self) -> float:
        """How far it is, by the logarithm: 0 is as assumed."""
        return abs(log(self.by))


def flips(names: Sequence[str], own: Sequence[str], shared: Sequence[str], cost: Cost) -> Iterator[Flip]:
    """The nearest of each assumption for each pair of choices, where there is one within FARTHEST.

    `own` assumptions are changed for one choice of a pair and then for the other, `shared` ones for both.
    """
    now = {name: cost(name, (*own, *shared)[0], 1.0) for name in names}
    able = sorted((name for name in names if isfinite(now[name])), key=lambda name: now[name])
    for better, other in combinations(able, 2):
        tries = [(assumption, of) for assumption in own for of in (better, other)]
        for assumption, of in [*tries, *((assumption, None) for assumption in shared)]:

            def costs(
                by: float, pair: tuple[str, str] = (better, other), assumption: str = assumption, of: str | None = of
            ) -> tuple[float, float]:
                first, second = (cost(one, assumption, by if of in (None, one) else 1.0) for one in pair)
                return first, second

            if (found := _turn(costs)) is not None:
                yield Flip(better, other, assumption, of, *found)


Costs = Callable[[float], tuple[float, float]]
Turn = tuple[float, tuple[float, float], tuple[float, float]]  # by what, costs before it, costs beyond


def _turn(costs: Costs) -> Turn | None:
    """The nearest change that makes the first of two the dearer; None where none does."""
    ways = (_along(costs, way * log(FARTHEST)) for way in (1, -1))
    return min((one for one in ways if one is not None), key=lambda one: abs(log(one[0])), default=None)


def _along(costs: Costs, end: float) -> Turn | None:
    """Looked along in steps, of which the first where the order turns is searched."""

    def dearer(at: float) -> float:
        first, second = costs(exp(at))
        if isfinite(first) and isfinite(second):
            return log(first / second)
        return -1.0 if isfinite(first) or first == second else 1.0  # where neither can serve nothing has turned

    low, apart = 0.0, copysign(dearer(0.0), end)
    for high in map(float, np.linspace(0, end, _STEPS + 1)[1:]):
        if dearer(high) > 0:
            # Where a cost is in proportion to what is assumed, as to a price, it turns by as much as the two are apart.
            as_far = _confirmed(costs, apart) if abs(low) <= abs(apart) <= abs(high) else None
            return as_far or _confirmed(costs, _within(dearer, low, high))
        low = high
    return None


def _within(dearer: Callable[[float], float], low: float, high: float) -> float:
    """Where between the two the order turns: halved, since costs that have steps, as of whole batches, are no curve."""
    parts = round(abs(high - low) / _CLOSE)
    first = bisect_left(range(parts), True, key=lambda part: dearer(low + (high - low) * part / parts) > 0)
    return low + (high - low) * first / parts


def _confirmed(costs: Costs, at: float) -> Turn | None:
    """What was found, if the order is one before and the other beyond: it may touch, or turn back at once."""
    away = BESIDE if at > 0 else -BESIDE
    before, beyond = costs(exp(at - away)), costs(exp(at + away))
    return (exp(at), before, beyond) if before[0] <= before[1] and beyond[0] > beyond[1] else None
