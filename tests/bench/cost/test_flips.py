"""Flip points: the nearest change that reverses an order, on both sides of which the order differs."""

from __future__ import annotations

from math import exp, inf

import numpy as np
import pytest

from oneblock.bench.cost.flips import BESIDE, FARTHEST, Flip, flips

BASE = {"a": 1.0, "b": 1.5, "c": 9.0}


def cost(name: str, assumption: str, by: float) -> float:
    """Prices are factors; in less than half the time `a` cannot serve; prompts cost `a` more than the others."""
    if assumption == "itl":
        return inf if name == "a" and by < 0.5 else BASE[name]
    if assumption == "prompt":
        return BASE[name] + {"a": 0.25, "b": 0.0, "c": 0.1}[name] * (by - 1)
    return BASE[name] * by


def found(*own: str, shared: tuple[str, ...] = ()) -> dict[tuple[str, str, str, str | None], Flip]:
    return {(one.better, one.other, one.assumption, one.of): one for one in flips([*"cab"], own, shared, cost)}


def test_a_price_that_is_a_factor_turns_where_the_costs_are_alike() -> None:
    of = found("price")
    assert of["a", "b", "price", "a"].by == pytest.approx(1.5, rel=1e-4)
    assert of["a", "b", "price", "b"].by == pytest.approx(1 / 1.5, rel=1e-4)
    assert of["b", "c", "price", "b"].by == pytest.approx(6, rel=1e-4)


def test_what_both_have_turns_where_one_grows_faster_and_where_one_cannot_serve() -> None:
    of = found(shared=("prompt", "itl"))
    assert of["a", "b", "prompt", None].by == pytest.approx(3, rel=1e-4)
    assert of["a", "b", "itl", None].by == pytest.approx(0.5, rel=1e-3)
    assert of["a", "b", "itl", None].beyond[0] == inf
    assert ("b", "c", "prompt", None) not in of, "neither is ever the dearer within the farthest"


def test_on_both_sides_of_every_flip_the_order_differs() -> None:
    for one in found("price", shared=("prompt", "itl")).values():
        assert one.before[0] <= one.before[1]
        assert one.beyond[0] > one.beyond[1]
        away = exp(BESIDE if one.by > 1 else -BESIDE)
        for by, costs in ((one.by / away, one.before), (one.by * away, one.beyond)):
            mine = [cost(name, one.assumption, by if one.of in (None, name) else 1) for name in (one.better, one.other)]
            assert mine == pytest.approx(costs)


def test_the_nearest_of_two_directions_counts_and_what_is_farther_than_the_farthest_does_not() -> None:
    def bowl(name: str, _: str, by: float) -> float:
        return 1.2 if name == "b" else 1 + 0.3 * np.log(by) ** 2 * (2 if by < 1 else 1)

    (one,) = flips(["a", "b"], (), ("mix",), bowl)
    assert one.by == pytest.approx(exp(-((0.2 / 0.6) ** 0.5)), rel=1e-3)
    assert not [*flips(["a", "b"], ("price",), (), lambda name, _, by: by * (1 if name == "a" else 2 * FARTHEST))]
    assert not [*flips(["a", "b"], ("price",), (), lambda name, _, by: inf if name == "b" else by)]
