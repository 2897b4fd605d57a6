"""Student's t against SciPy's, where it is easy and where digits are lost."""

from __future__ import annotations

import math
from itertools import product

import pytest
from scipy.special import stdtr, stdtrit

from oneblock.bench.judge import student

DEGREES = (1, 2, 3, 4, 7, 8, 12, 33, 100, 10_000)


@pytest.mark.parametrize(("degrees", "t"), list(product(DEGREES, (1e-9, 1e-3, 0.1, 0.7, 1, 1.9, 3, 10, 30, 1e4, -2.5))))
def test_it_is_how_often_chance_alone_gives_as_much(degrees: int, t: float) -> None:
    assert student.beyond(degrees, t) == pytest.approx(2 * stdtr(degrees, -abs(t)), rel=1e-9, abs=1e-280)


def test_few_degrees_are_not_the_normal_distribution_and_both_sides_count() -> None:
    found, normal = student.beyond(3, 3.0), math.erfc(3 / math.sqrt(2))
    assert found == pytest.approx(0.0577, abs=1e-4)
    assert found > 20 * normal
    assert student.beyond(3, -3.0) == found


@pytest.mark.parametrize(("degrees", "share"), list(product(DEGREES, (0.6, 0.975, 0.995, 0.9975))))
def test_the_quantile_is_where_that_share_ends(degrees: int, share: float) -> None:
    assert student.quantile(degrees, share) == pytest.approx(stdtrit(degrees, share), rel=1e-9)


def test_what_a_stranger_may_say_ends_soon() -> None:
    """A record says how many degrees there are, and its samples may lie as far apart as numbers do."""
    assert student.beyond(10**99, 2.0) == pytest.approx(math.erfc(2 / math.sqrt(2)), rel=1e-4)
    assert student.quantile(10**99, 0.995) == pytest.approx(2.5758, rel=1e-4)
    assert student.beyond(5, 0.0) == student.beyond(5, 1e-200) == 1
    assert student.beyond(1, 1e-200) == 1
    assert 0 <= student.beyond(1, 1e300) < 1e-140
    assert student.beyond(9, 1e300) == 0
