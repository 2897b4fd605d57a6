"""When there is no model of some rows: one rule for all tables, whose bounds were chosen with these tables in sight.

A share at its bound means that the form is wrong, if the bound is what keeps the model from the rows: without it the
same form lies nearer, by a tempo that no such chip has. So the fit is done once more with the bounds lifted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneblock.bench.silicon.fit import fitted
from oneblock.bench.silicon.halves import Half
from oneblock.bench.silicon.launches import Limits

FARTHEST = 0.5  # median |log error|: a model that is farther off tells nothing of a shape
LEAST_COVERED = 0.8  # of held-out rows in a range that is to hold 90 %; one that holds too many is wide, and says so
# Of the median error: what a bound may cost and be none of the form's faults. At 0.05 vLLM's decodes on H100, 9 % off,
# would have no model; fp8 in blocks by vLLM loses 0.3 and more to its bounds.
_BINDS = 0.1


def binding(half: Half, limits: Limits) -> str | None:
    """Why a half's numbers are none: one lies at its bound, and the rows ask for more; else None."""
    bound = half.numbers.at_bound(limits)
    if not bound:
        return None
    free = fitted([half.demand], [half.seconds], [limits], lifted=True)
    within, without = (
        float(np.median(np.abs(np.log(half.seconds / half.demand.seconds(numbers)))))
        for numbers in (half.numbers, free)
    )
    if without > (1 - _BINDS) * within:
        return None
    told = f"the form is wrong: it takes {' and '.join(bound)} and would take more"
    return f"{told} ({np.expm1(within):.0%} off; without that bound {np.expm1(without):.0%})"


def why_no_model(median_log: float, covered: float, bound: Sequence[str | None]) -> str | None:
    """In words; None where there is one."""
    if reasons := [*filter(None, bound)]:
        return reasons[0]
    if median_log > FARTHEST:
        return f"half of the times lie more than {np.expm1(FARTHEST):.0%} off"
    if covered < LEAST_COVERED:
        return f"only {covered:.0%} lie in the range that is to hold 90 %"
    return None
