"""How far reported times lie from modelled ones, and the range that most lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COVERED = 0.9  # of the rows lie in the range that is printed, if it is right


@dataclass(frozen=True)
class Error:
    """How far reported times lie from modelled ones, on rows that the fit has not seen."""

    median_log: float  #: of |log(reported / modelled)|
    low: float  #: of reported / modelled: the range that nine tenths are to lie in
    high: float
    covered: float  #: which part of the rows lies in it


def off(reported: np.ndarray, modelled: np.ndarray) -> float:
    """The median of |log(reported / modelled)|, of seconds (rows,) each."""
    return float(np.median(np.abs(np.log(reported / modelled))))


def range_of(ratio: np.ndarray) -> tuple[float, float]:
    """(low, high) between which nine tenths of ratios (rows,) lie, as many beyond on either side."""
    low, high = np.quantile(ratio, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)
