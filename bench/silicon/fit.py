"""The numbers of a model that lie nearest to reported seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from oneblock.bench.silicon.launches import Array, Limits, Model

_ROBUST = 0.1  # of a logarithm: what lies farther counts less, since some rows are of another kernel
_NEAR = 1e-5  # of the sum that is made least: nearer changes no digit that is shown


def fitted(
    demands: Sequence[Model], seconds: Sequence[Array], limits: Sequence[Limits], *, lifted: bool = False
) -> Any:
    """The model's Numbers by which it is nearest to seconds (rows,) of each demand, by the logarithm of their ratio."""
    kind = demands[0].numbers

    def away(values: Array) -> Array:
        numbers = kind(*values)
        return np.concatenate([np.log(one.seconds(numbers) / t) for one, t in zip(demands, seconds, strict=True)])

    least, begin, most = kind.bounds(limits, lifted=lifted)
    scale = np.maximum(np.abs(begin), 0.1)
    found = least_squares(away, begin, bounds=(least, most), loss="soft_l1", f_scale=_ROBUST, x_scale=scale, ftol=_NEAR)
    return kind(*map(float, found.x))
