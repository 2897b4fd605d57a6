"""How much of a block lies on reported rows, and how well the static model orders them, on rows made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon import static
from oneblock.bench.silicon.covers import Covered, covered, launches
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.launches import Launches, Limits
from oneblock.bench.silicon.model import Demand
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.operators.decode import DecodeShares
from oneblock.bench.silicon.rows import Rows
from oneblock.bench.silicon.trial import Tried, trials
from oneblock.compilers import chips
from oneblock.compilers.api.kind import Reported
from oneblock.compilers.chips.chip import Gpu
from oneblock.workloads import models

H100 = chips.load("cuda:sm_90", Gpu)
LIMITS = Limits.stated(H100, "bfloat16")
SHARES = DecodeShares(0.9, 0.8, 2.5, 12.0, 3.0, 1.0)
CONFIG = models.preset("llama-1b")
BF16 = FORMATS["bfloat16"]


def tried(of: Launches, seconds: np.ndarray | None = None) -> Tried:
    """A trial of rows that the model itself gave, a little noise on them."""
    took = of.model(of, LIMITS).seconds(SHARES) if seconds is None else seconds
    noise = np.random.default_rng(0).lognormal(0, 0.01, len(took)) if seconds is None else 1.0
    rows = Rows(Reported(H100.name, "vLLM", "1", "a table"), "0" * 64, "bfloat16", of, took * noise)
    ((found,), _) = trials([rows])
    return found


def all_launches(heads: tuple[int, int, int] | None = None, widest: float = 2**17) -> dict[str, list[Tried]]:
    """Trials whose rows surround all that a block asks; `heads` are those of attention, by default its own."""
    draw = np.random.default_rng(1)
    N, K = (np.repeat(np.append(64.0 * draw.integers(2, 64, 38), [64.0, widest]), 4) for _ in range(2))
    product = OPERATORS["product"](BF16, np.tile([1.0, 16, 128, 4096], 40), N, K)  # type: ignore[call-arg]
    found = {"product": [tried(product)]}
    own = heads or (CONFIG.heads, CONFIG.kv_heads, CONFIG.head_width)
    for operator in ("prefill", "decode"):
        windows = np.repeat(np.append(0.0, 128.0 * np.arange(1, 24)), 4)
        sizes = [np.tile([1.0, 16, 1, 16], 24), np.tile([128.0, 2048, 2048, 128], 24)]
        sizes += [np.full(96, float(size)) for size in own]
        found[operator] = [tried(OPERATORS[operator](BF16, *sizes, windows))]  # type: ignore[call-arg]
    return found


def test_a_block_asks_for_the_launches_that_a_serving_engine_starts() -> None:
    """llama-1b: 32 heads and 8 of keys, 64 wide; 2,048 to 2 x 8,192 and back."""
    of = launches(CONFIG)
    assert [*of] == ["prefill T=128", "prefill T=2048", "decode B=1", "decode B=16"]
    assert [(one.operator, one.sizes) for one in of["decode B=16"]] == [
        ("product", (16, 3072, 2048)), ("decode", (16, 2048, 32, 8, 64, 0)), ("product", (16, 2048, 2048)),
        ("product", (16, 16384, 2048)), ("product", (16, 2048, 8192)),
    ]  # fmt: skip
    products = sum(2 * int(np.prod(one.sizes)) for one in of["prefill T=128"] if one.operator == "product")
    weights = 2048 * 3072 + 2048 * 2048 + 3 * 2048 * 8192
    assert products == 2 * 128 * weights


def test_what_lies_on_rows_between_them_and_outside_adds_up_and_is_named() -> None:
    found = covered(CONFIG, all_launches())
    assert {one.target for one in found} == {"cuda:sm_90"}
    for one in found:
        assert one.outside == ()
        assert one.on_rows + one.between == pytest.approx(1)
        assert 0 < one.on_rows < one.between, "attention has rows of its own, and the products lie between"


def test_heads_that_nobody_reported_are_outside_and_so_are_wider_weights() -> None:
    other: list[Covered] = covered(CONFIG, all_launches(heads=(32, 8, 128)))
    assert other[3].outside == ("attention 16x2048x32x8x64x0",)
    assert other[3].on_rows + other[3].between < 1
    narrow = covered(CONFIG, all_launches(widest=8192.0))
    assert narrow[0].outside == ("mlp 128x16384x2048",)


def test_a_chip_without_a_model_of_an_operator_is_not_told_and_other_blocks_are_refused() -> None:
    told = all_launches()
    told["decode"] = [replace(told["decode"][0], wrong="the form is wrong")]
    assert covered(CONFIG, told) == []
    with pytest.raises(Refused, match="expected a model of dense products"):
        launches(replace(CONFIG, experts=8, experts_per_token=2))


def test_the_static_model_orders_its_own_times_and_not_those_of_chance() -> None:
    draw = np.random.default_rng(2)
    N, K = (np.repeat(64.0 * draw.integers(2, 128, 30), 6) for _ in range(2))
    of = OPERATORS["product"](BF16, np.tile(2.0 ** np.arange(2, 14, 2), 30), N, K)  # type: ignore[call-arg]
    one = tried(of)
    demand = Demand(of, LIMITS)  # type: ignore[arg-type]
    near = static.ranked(one, H100)
    assert near is not None
    assert near.rank > 0.95
    assert near.median_log < 1.5
    lot = static.ranked(tried(of, draw.permutation(demand.seconds(SHARES))), H100)
    assert lot is not None
    assert abs(lot.rank) < 0.3
    assert static.ranked(all_launches()["decode"][0], H100) is None
