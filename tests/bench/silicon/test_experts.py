"""Mixtures of experts: how tokens choose, what is read of it, and that the form finds what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from oneblock.bench.silicon.fit import fitted
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.launches import Limits
from oneblock.bench.silicon.model import Demand, Shares
from oneblock.bench.silicon.operators.experts import Experts

BF16 = FORMATS["bfloat16"]
LIMITS = Limits(flops_per_s=1e15, bytes_per_s=3e12, sms=132)
H, INNER, K, E = 2048, 768, 8, 128
EXPERT_BYTES = 2 * 3 * H * INNER


def one(T: int, P: int = 1, R: int = 1, skew: int = 0, E: int = E, K: int = K) -> Experts:
    return Experts.one((T, H, INNER, K, E, P, R, skew), BF16)


@pytest.mark.parametrize("skew", [0, 101, 120])
@pytest.mark.parametrize("T", [1, 7, 64, 4096])
def test_every_choice_is_computed_once_however_tokens_choose(T: int, skew: int) -> None:
    """Three products of a multiply-add each; on four GPUs the one with most has a quarter or more, and never all."""
    whole = one(T, skew=skew).flops[0]
    assert whole == pytest.approx(6 * H * INNER * T * K, rel=0.02)
    assert one(T, R=4, skew=skew).flops[0] >= whole / 4
    assert one(T, P=2, skew=skew).flops[0] == whole / 2
    if T > 7:
        assert one(T, R=4, skew=skew).flops[0] < whole / 2


def test_even_choices_lie_apart_and_not_all_on_one_gpu() -> None:
    """Two tokens of 22 experts each of 512 on 16 GPUs: 44 choices, of which one GPU has no more than four."""
    assert one(2, R=16, E=512, K=22).flops[0] <= 4 * 6 * H * INNER


def test_weights_of_experts_that_a_token_chose_are_read_once() -> None:
    """One token reads eight experts; where all are chosen, more tokens read no more weights."""
    few, some, many = one(1), one(256), one(512)
    assert few.nbytes[0] == pytest.approx(8 * EXPERT_BYTES, rel=0.01)
    of_tokens = many.nbytes[0] - some.nbytes[0]
    assert some.nbytes[0] - of_tokens == pytest.approx(E * EXPERT_BYTES, rel=1e-6)
    assert one(64, skew=120).nbytes[0] < one(64).nbytes[0], "uneven choices leave experts out"


def test_what_was_planted_is_found_and_a_tile_of_one_token_costs_as_a_full_one() -> None:
    true = Shares(flops_share=0.7, bandwidth_share=0.8, launch_us=20.0, edge=12.0, overlap=3.0, wave_us=1.0)
    axes = np.meshgrid(
        2.0 ** np.arange(14), [1024.0, 4096.0], [512.0, 1536.0], [8.0], [128.0], [1.0], [1.0], [0, 120.0]
    )
    of = Experts(BF16, *(axis.ravel() for axis in axes))
    seconds = Demand(of, LIMITS).seconds(true)
    found = fitted(
        [Demand(of, LIMITS)], [seconds * np.random.default_rng(0).lognormal(0, 0.02, len(seconds))], [LIMITS]
    )
    assert found.bandwidth_share == pytest.approx(0.8, rel=0.05)
    assert found.launch_us == pytest.approx(20.0, rel=0.1)
    assert (seconds >= of.floor_s(LIMITS)).all()
