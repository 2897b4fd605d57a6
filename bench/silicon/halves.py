"""A file's rows in two halves that are alike, each with a model of its own and the range that unseen rows lie in.

Groups of shapes stay whole, since rows of one tell of each other. Of each two that are neighbours in size one goes to
either half, by lot. The range is cross-conformal (Vovk 2015): a half's groups are dealt into folds, each is modelled by
the numbers of the others, and the range holds nine tenths of these rows, so that it is as wide as unseen groups need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from oneblock.bench.silicon.fit import fitted
from oneblock.bench.silicon.launches import Limits, Model

_FITTED = 2000  # rows of a half: more change no share's second digit
_HELD = 4000  # rows of a half that the other is tried on
_FOLDS = 4
_FEW = 15  # groups: of so few each is a fold, since without a quarter of them the ends of their sizes are far away
_SEED = 0


class Timed(Protocol):
    """Launches, or calls, and what each took."""

    @property
    def launches(self) -> Any:
        """Of a kind that has a model."""

    @property
    def seconds(self) -> np.ndarray:
        """(rows,)."""


@dataclass(frozen=True)
class Half:
    """One half of a file's rows, and the model that they give."""

    rows: Timed
    limits: Limits
    all: np.ndarray  #: numbers (rows,) of those that the other half is tried on
    demand: Model  #: of those that are fitted
    seconds: np.ndarray
    numbers: Any
    low: float  #: of reported / modelled, where the model has not seen the group
    high: float

    @cached_property
    def demand_of_all(self) -> Model:
        """Of all its rows, which the other half is tried on."""
        launches = self.rows.launches
        model: Model = launches.model(launches.of(self.all), self.limits)
        return model

    @property
    def seconds_of_all(self) -> np.ndarray:
        """(rows,) as they were reported."""
        return np.asarray(self.rows.seconds[self.all])


def halves(rows: Timed, limits: Limits, covered: float) -> tuple[Half, Half]:
    """Both, `covered` of whose rows are to lie in the range of each."""
    _, group = np.unique(rows.launches.group, axis=1, return_inverse=True)
    group, draw = group.ravel(), np.random.default_rng(_SEED)
    many = int(group.max()) + 1
    pair = np.arange(many) // 2
    first = np.arange(many) % 2 == draw.integers(0, 2, pair[-1] + 1)[pair]
    one, other = (_half(rows, limits, group, np.flatnonzero(side[group]), covered, draw) for side in (first, ~first))
    return one, other


def _half(
    rows: Timed, limits: Limits, group: np.ndarray, its: np.ndarray, covered: float, draw: np.random.Generator
) -> Half:
    fit = draw.choice(its, min(_FITTED, len(its)), replace=False)
    held = draw.choice(its, min(_HELD, len(its)), replace=False)
    seconds, launches = rows.seconds[fit], rows.launches
    demand = launches.model(launches.of(fit), limits)
    ratio = np.empty(len(fit))
    groups, its_group = np.unique(group[fit], return_inverse=True)
    folds = _FOLDS if len(groups) > _FEW else len(groups)
    fold = draw.permutation(len(groups))[its_group] % folds
    for number in range(folds):
        seen, unseen = fit[fold != number], fit[fold == number]
        numbers = fitted([launches.model(launches.of(seen), limits)], [rows.seconds[seen]], [limits])
        ratio[fold == number] = rows.seconds[unseen] / launches.model(launches.of(unseen), limits).seconds(numbers)
    low, high = np.quantile(ratio, [(1 - covered) / 2, (1 + covered) / 2])
    numbers = fitted([demand], [seconds], [limits])
    return Half(rows, limits, held, demand, seconds, numbers, float(low), float(high))
