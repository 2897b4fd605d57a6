"""Student's t: what chance does to a mean of few. SciPy has it, too, and takes longer to import than to ask.

How often chance alone leaves a mean so far off is I(x; degrees / 2, 1 / 2) with x = degrees / (degrees + t²). I is the
regularised incomplete beta function, here by its continued fraction: Abramowitz and Stegun, 26.5.8 and 26.7.1.
"""

from __future__ import annotations

import math
from functools import cache

_MANY = 10**6  # degrees, beyond which it is the normal distribution for all that doubles tell
_STEPS = 10_000  # of the fraction, which takes some ten, and of so many degrees a thousand
_LARGEST, _TINY = 1e290, 1e-300  # that are computed with; the latter in place of a zero that would be divided by


def beyond(degrees: int, t: float) -> float:
    """How often chance alone gives such a t, or one further from 0 on either side."""
    n, square = float(min(degrees, _MANY)), min(t * t, _LARGEST)
    x, y = n / (n + square), square / (n + square)  # of which 1 - x would not know the digits
    if y == 0:
        return 1.0
    if x < (n + 2) / (n + 5):
        return _beta(x, y, n / 2, 0.5)
    return 1 - _beta(y, x, 0.5, n / 2)


@cache
def quantile(degrees: int, probability: float) -> float:
    """The t below which that share of chances lies, of shares above a half: thousands of pairs ask the same few."""
    outside, low, high = 2 * (1 - probability), 0.0, 1.0
    while beyond(degrees, high) > outside:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if beyond(degrees, middle) > outside else (low, middle)
    return high


def _beta(x: float, y: float, a: float, b: float) -> float:
    """I(x; a, b), where y is 1 - x and x lies below the middle, so that the fraction ends soon."""
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    up, down = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = down
    for m in range(1, _STEPS):
        before = value
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            up, down = _not_zero(1 + term / up), 1 / _not_zero(1 + term * down)
            value *= up * down
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return math.exp(scale) * value / a


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
