"""Routers: which experts a token takes, and which tokens have more than one right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import ReferenceAnswer, make_reference
from oneblock.workloads.answers.routing import Answer, answered
from oneblock.workloads.ops.definitions import Array, Routing
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import TINY_DEEPSEEK, TINY_MIXTRAL, case

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("renormalised", [True, False])
@pytest.mark.parametrize(("E", "k"), [(1, 1), (5, 2), (8, 8), (64, 6)])
def test_a_token_takes_the_largest_one_at_a_time(E: int, k: int, renormalised: bool) -> None:
    logits = RNG.standard_normal((20, E))
    got = NumpyOps().route(logits, Routing(k, renormalised))
    for row, found in zip(logits, got, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        taken = sorted(range(E), key=lambda e: -p[e])[:k]
        total = sum(p[e] for e in taken) if renormalised else 1.0
        np.testing.assert_allclose(found, [p[e] / total if e in taken else 0.0 for e in range(E)], rtol=1e-12)


def test_of_equal_ones_the_first_are_taken_and_never_more_than_k() -> None:
    logits = np.array([[1.0, 3.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    got = NumpyOps().route(logits, Routing(2))
    np.testing.assert_allclose(got, [[0, 0.5, 0.5, 0], [0.5, 0.5, 0, 0]])


def test_the_sum_of_experts_is_each_tokens_own() -> None:
    M, C, F, E = 6, 5, 7, 4
    x, weights = RNG.standard_normal((M, C)), NumpyOps().route(RNG.standard_normal((M, E)), Routing(2))
    gate, up, down = (RNG.standard_normal(shape) for shape in ((E, C, F), (E, C, F), (E, F, C)))
    got = NumpyOps().experts(x, weights, gate, up, down)
    for m in range(M):
        expected = np.zeros(C)
        for e in np.flatnonzero(weights[m]):
            g = x[m] @ gate[e]
            expected += weights[m, e] * ((g / (1 + np.exp(-g)) * (x[m] @ up[e])) @ down[e])
        np.testing.assert_allclose(got[m], expected, rtol=1e-10)


class OneTooMany(NumpyOps):
    def route(self, logits: Array, routing: Routing) -> Array:
        return super().route(logits, replace(routing, k=routing.k + 1))


class Unnormed(NumpyOps):
    def route(self, logits: Array, routing: Routing) -> Array:
        return super().route(logits, replace(routing, renormalised=not routing.renormalised))


class NextExpert(NumpyOps):
    def route(self, logits: Array, routing: Routing) -> Array:
        return np.roll(super().route(logits, routing), 1, axis=-1)


def reference(phase: Phase, dtype: str) -> tuple[ReferenceAnswer, dict[str, np.ndarray]]:
    c, block = case(config=TINY_MIXTRAL, phase=phase, n=200), workloads.load("block")
    weights = make_weights(block, c, dtype, 0)
    return make_reference(block, c, dtype, weights, 1, 2), weights | make_inputs(block, c, dtype, 1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_wrong_routers_are_rejected_and_tokens_that_rounding_may_turn_are_left_out(dtype: str) -> None:
    c, block = case(config=TINY_MIXTRAL, n=200), workloads.load("block")
    expected, arrays = reference(Phase.PREFILL, dtype)
    assert not expected.wrong_accepted
    undecided = np.isnan(expected.answers[0].reference["y"][0, :, 0])
    assert undecided.sum() == 0 if dtype == "float32" else 0 < undecided.sum() < 60
    assert expected.check(block.program(NumpyOps(), c, arrays)).passed
    for wrong in (OneTooMany(), Unnormed(), NextExpert()):
        assert not expected.check(block.program(wrong, c, arrays)).passed, wrong


def test_an_answer_that_chooses_otherwise_where_both_are_right_passes_and_elsewhere_fails() -> None:
    c, block = case(config=TINY_MIXTRAL, n=200), workloads.load("block")
    expected, arrays = reference(Phase.PREFILL, "bfloat16")
    right = block.program(NumpyOps(), c, arrays)["y"]
    other = block.program(NextExpert(), c, arrays)["y"]
    undecided = np.isnan(expected.answers[0].reference["y"][0, :, 0])
    assert expected.check({"y": np.where(undecided[None, :, None], other, right)}).passed
    decided = np.flatnonzero(~undecided)[0]
    spoilt = right.copy()
    spoilt[0, decided] = other[0, decided]
    assert not expected.check({"y": spoilt}).passed
    spoilt[0, decided] = right[0, decided]
    spoilt[0, np.flatnonzero(undecided)[0], 0] = np.nan
    assert not expected.check({"y": spoilt}).passed, "no number is no choice"


def test_without_a_router_nothing_is_left_out() -> None:
    c, block = case(config=replace(TINY_MIXTRAL, experts=None, experts_per_token=None)), workloads.load("block")
    arrays = make_weights(block, c, "float32", 0) | make_inputs(block, c, "float32", 1)
    found = answered(block, c, arrays)
    assert found.logits == []
    assert found.decided(c, 1e9) is found.outputs


def test_of_an_input_that_rounding_may_turn_whole_nothing_is_judged_and_of_the_first_that_is_said() -> None:
    c, block = case(config=TINY_MIXTRAL, phase=Phase.DECODE, n=16), workloads.load("block")
    weights = make_weights(block, c, "bfloat16", 0)
    expected = make_reference(block, c, "bfloat16", weights, 1, 2)
    assert not expected.undecided
    alike = weights | {"router_weight": np.zeros_like(weights["router_weight"])}
    tied = make_reference(block, c, "bfloat16", alike, 1, 2)
    assert tied.undecided
    answer = block.program(NumpyOps(), c, alike | make_inputs(block, c, "bfloat16", 1))
    assert tied.check(answer).passed
    assert not tied.check(answer | {"y": np.full_like(answer["y"], np.nan)}).passed
    assert not tied.check(answer | {"k_cache": 2 * answer["k_cache"]}).passed, "what no router decides is judged"


@pytest.mark.parametrize("scale", [1.0, 16.0])
def test_of_groups_a_token_takes_experts_of_the_best_alone(scale: float) -> None:
    G, n, taken, k = 4, 3, 2, 4
    logits = RNG.standard_normal((50, G * n))
    got = NumpyOps().route(logits, Routing(k, False, scale, G, taken))
    free = NumpyOps().route(logits, Routing(k, False, scale))
    for row, found in zip(logits, got, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        groups = sorted(range(G), key=lambda g: -max(p[g * n : g * n + n]))[:taken]
        best = sorted((e for g in groups for e in range(g * n, g * n + n)), key=lambda e: -p[e])[:k]
        np.testing.assert_allclose(found, [scale * p[e] if e in best else 0.0 for e in range(G * n)], rtol=1e-12)
    assert not np.allclose(got, free)


def test_a_token_whose_groups_rounding_may_turn_is_left_out_and_so_is_one_of_two_experts_within_them() -> None:
    c = case(config=TINY_DEEPSEEK, n=3)
    logits = np.array([
        [9.0, 1.0, 5.0, 2.0, 5.0, 3.0, 0.0, -1.0],  # of four groups the second and the third are as good
        [9.0, 1.0, 5.0, 1.0, 0.0, 0.0, 0.0, -1.0],  # of the two best, two experts are as good for the third place
        [9.0, 3.0, 5.0, 1.0, 3.0, 0.0, 0.0, -1.0],  # as good as the third: of a group that is not taken
    ])  # fmt: skip
    y = np.ones((1, 3, c.config.width))
    left_out = [
        np.isnan(Answer({"y": y}, [(logits, routing)]).decided(c, 1e-6)["y"][0, :, 0]).tolist()
        for routing in (Routing(3, False, 1.0, 4, 2), Routing(3, False))
    ]
    assert left_out == [[True, True, False], [False, True, True]]
