"""The model of a launch: it finds what it was planted with, obeys physics, and is tried on rows it has not seen."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from oneblock.bench.silicon.fit import fitted as fit
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.launches import Launches, Limits
from oneblock.bench.silicon.links import Exchange, LinkNumbers
from oneblock.bench.silicon.model import Demand, Shares
from oneblock.bench.silicon.operators.all_reduce import AllReduces
from oneblock.bench.silicon.operators.decode import DecodeDemand, Decodes, DecodeShares
from oneblock.bench.silicon.operators.prefill import Prefills
from oneblock.bench.silicon.operators.product import Products
from oneblock.bench.silicon.rows import Rows
from oneblock.bench.silicon.trial import trials
from oneblock.compilers.api.kind import Reported

BF16 = FORMATS["bfloat16"]
LIMITS = Limits(flops_per_s=1e15, bytes_per_s=3e12, sms=132)
TRUE = Shares(flops_share=0.9, bandwidth_share=0.8, launch_us=2.5, edge=12.0, overlap=3.0, wave_us=1.0)


def shapes(many: int = 40, seed: int = 0) -> Products:
    """So many pairs (N, K), with eleven M each."""
    draw = np.random.default_rng(seed)
    N, K = (64.0 * draw.integers(2, 256, many) for _ in range(2))
    M = 2.0 ** np.arange(11)
    return Products(BF16, np.tile(M, many), np.repeat(N, 11), np.repeat(K, 11))


def fitted(demands: list[Demand], seconds: list[np.ndarray]) -> Shares:
    found = fit(demands, seconds, [LIMITS] * len(demands))
    assert isinstance(found, Shares)
    return found


def rows(device: str, seconds: np.ndarray, of: Launches, dtype: str = "bfloat16") -> Rows:
    return Rows(Reported(device, "vLLM", "1", "a table"), "0" * 64, dtype, of, seconds)


def test_what_was_planted_is_found() -> None:
    of = shapes()
    demand = Demand(of, LIMITS)
    noise = np.random.default_rng(1).lognormal(0, 0.02, len(of.M))
    found = fitted([demand], [demand.seconds(TRUE) * noise])
    assert np.median(np.abs(np.log(demand.seconds(found) / demand.seconds(TRUE)))) < 0.01
    assert found.bandwidth_share == pytest.approx(TRUE.bandwidth_share, rel=0.05)
    assert found.of_peak(128, 128) == pytest.approx(TRUE.of_peak(128, 128), rel=0.1)


def test_no_modelled_time_is_below_the_roofline_and_none_falls_where_a_product_grows() -> None:
    of = shapes(seed=2)
    assert (Demand(of, LIMITS).seconds(TRUE) >= of.floor_s(LIMITS)).all()
    larger = replace(of, K=2 * of.K)
    assert (Demand(larger, LIMITS).seconds(TRUE) >= Demand(of, LIMITS).seconds(TRUE)).all()


def test_a_tile_more_than_the_multiprocessors_take_costs_another_wave() -> None:
    """At 132 tiles of 256 x 128 all are busy once, at 133 twice; smaller ones, which fit, reach less of the peak."""
    costly = replace(TRUE, edge=30.0)
    full, more = (Products(BF16, np.array([256.0]), np.array([128.0 * n]), np.array([65536.0])) for n in (132, 133))
    times = [float(Demand(one, LIMITS).seconds(costly)[0]) for one in (full, more)]
    assert times[1] / times[0] > 133 / 132 * 1.05


def test_twice_the_latency_is_half_the_shares() -> None:
    of = shapes()
    demand = Demand(of, LIMITS)
    once, twice = (fitted([demand], [demand.seconds(TRUE) * times]) for times in (1, 2))
    assert twice.bandwidth_share == pytest.approx(once.bandwidth_share / 2, rel=0.05)
    assert twice.of_peak(128, 128) == pytest.approx(once.of_peak(128, 128) / 2, rel=0.15)


def test_shares_stay_physical_where_rows_are_not() -> None:
    """Faster than the data sheet, as where operands lie in a cache: no share above 1, and the rows are told."""
    of = shapes(60)
    (found,), left = trials([rows("NVIDIA H100 80GB HBM3", of.floor_s(LIMITS) / 3, of)])
    assert left == []
    assert found.faster.part > 0.9
    assert all(share <= 1 for share in astuple(found.shares)[:2])
    assert found.held_out.median_log > 0.3, "and the trial shows that the model does not hold"


def test_groups_are_held_out_whole_and_a_range_holds_what_it_says() -> None:
    """A model of another chip's peak is off on the chip that is left out, and the table says so."""
    of = shapes(200)
    noise = np.random.default_rng(3).lognormal(0, 0.1, len(of.M))
    h100 = Demand(of, Limits(989.4e12, 3350e9, 132)).seconds(TRUE) * noise
    slower = Demand(of, Limits(312e12, 2039e9, 108)).seconds(replace(TRUE, bandwidth_share=0.4)) * noise
    found, _ = trials([rows("NVIDIA H100 80GB HBM3", h100, of), rows("NVIDIA A100-SXM4-80GB", slower, of)])
    for one in found:
        assert one.held_out.median_log < 0.09
        assert 0.87 < one.held_out.covered < 0.93
        assert one.left_out is not None
        assert one.left_out.median_log > 2 * one.held_out.median_log
    middle, low, high = found[0].seconds(of)
    assert (low < middle).all()
    assert (middle < high).all()


def test_what_cannot_be_tried_says_why() -> None:
    of = shapes(60)
    few = shapes(5)
    seconds = of.floor_s(LIMITS) * 2
    found, left = trials([
        rows("NVIDIA H1000", seconds, of), rows("Tesla T4", seconds, of),
        rows("NVIDIA H200", few.floor_s(LIMITS), few),
    ])  # fmt: skip
    assert found == []
    assert [why.split(": ")[0] for why in left] == ["NVIDIA H1000", "cuda:sm_75", "cuda:sm_90:h200"]
    assert "no chip of that name" in left[0]
    assert "no peak of bfloat16 is known, so there is no model" in left[1]
    assert "fewer than 20 groups of shapes" in left[2]


def prefills(T: float, window: float = 0.0, N: float = 32.0) -> Prefills:
    """One, of 32 heads of 128 and 8 of keys."""
    return Prefills(BF16, *(np.array([size]) for size in (1.0, T, N, 8.0, 128.0, window)))


def test_attention_counts_the_pairs_that_a_query_sees() -> None:
    """By the sum over queries, spelt out; a window as long as the prompt is none."""
    for T, window in ((7, 0), (7, 3), (7, 7), (1, 0), (5, 1)):
        seen = sum(min(query + 1, window or T) for query in range(T))
        assert prefills(float(T), float(window)).flops[0] == 4 * 32 * 128 * seen
    assert prefills(64.0, 64.0).flops[0] == prefills(64.0).flops[0]
    assert prefills(64.0).nbytes[0] == 2 * 64 * 128 * (32 + 8 + 8 + 32)


def test_attention_grows_with_its_prompt_and_never_beats_the_roofline() -> None:
    times = [float(Demand(prefills(T), LIMITS).seconds(TRUE)[0]) for T in (16.0, 128.0, 1024.0, 8192.0, 65536.0)]
    assert times == sorted(times)
    assert times[-1] / times[-2] > 50, "a prompt eight times as long has 64 times the pairs"
    assert all(
        time >= prefills(T).floor_s(LIMITS)[0] for T, time in zip((16.0, 65536.0), (times[0], times[-1]), strict=True)
    )
    assert Demand(prefills(65536.0, 1024.0), LIMITS).seconds(TRUE)[0] < times[-1] / 20


def test_a_decode_reads_what_it_sees_once_and_many_small_ones_take_waves() -> None:
    one = Decodes.one((4, 1000, 32, 8, 128, 0), BF16)
    assert one.nbytes[0] == 2 * 4 * 128 * (8 * 1000 * 2 + 32 * 2)
    assert one.flops[0] == 4 * 4 * 32 * 1000 * 128
    assert Decodes.one((4, 1000, 32, 8, 128, 100), BF16).flops[0] == one.flops[0] / 10
    assert Decodes.at({name: np.array([1.0]) for name in Decodes.axes}, BF16).T[0] == 2, "a step, and its own token"
    few, many = (Demand(Decodes.one((B, 2, 32, 8, 128, 0), BF16), LIMITS).seconds(TRUE)[0] for B in (1, 1024))
    assert many > few + 20e-6, "62 waves, whatever the bytes"


GPU = replace(LIMITS, cache_bytes=50e6)
READS = DecodeShares(*astuple(TRUE), cached=3.0, apart=0.0)


def decodes(window: float = 0.0) -> Decodes:
    """Of heads 32 to 8 and 16 to 2, over caches that fit in the L2 and that do not."""
    B, T, at = (axis.ravel() for axis in np.meshgrid(2.0 ** np.arange(9), 2.0 ** np.arange(4, 14), [0, 1]))
    N, K = (np.array(heads)[at.astype(int)] for heads in ((32.0, 16.0), (8.0, 2.0)))
    return Decodes(BF16, B, T, N, K, np.full(len(B), 128.0), np.where(B > 8, window, 0.0))


def test_a_cache_that_lies_in_the_l2_is_read_from_there_and_what_that_is_worth_is_found() -> None:
    of = decodes()
    demand = DecodeDemand(of, GPU)
    ratio = demand.seconds(READS) / demand.seconds(replace(READS, cached=1.0))
    assert (ratio[of.nbytes > 50e6] == 1).all()
    assert ratio[of.nbytes < 50e6].min() < 0.5
    found = fit([demand], [demand.seconds(READS) * np.random.default_rng(0).lognormal(0, 0.03, len(of.B))], [GPU])
    assert found.cached == pytest.approx(3.0, rel=0.1)
    smooth = fit([demand], [demand.seconds(replace(READS, cached=1.0))], [GPU])
    assert smooth.cached == pytest.approx(1.0, rel=0.05), "rows that know no L2 are given none"


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_queries_that_have_a_tile_each_over_a_window_are_told_from_those_that_share_one(apart: float) -> None:
    of, true = decodes(window=128.0), replace(READS, apart=apart)
    demand = DecodeDemand(of, GPU)
    found = fit([demand], [demand.seconds(true) * np.random.default_rng(1).lognormal(0, 0.03, len(of.B))], [GPU])
    assert found.apart == pytest.approx(apart, abs=0.1)
    without = of.window == 0
    other = replace(true, apart=1 - apart)
    assert (demand.seconds(true)[without] == demand.seconds(other)[without]).all()
    assert (demand.seconds(replace(true, apart=1.0)) >= demand.seconds(replace(true, apart=0.0)) * (1 - 1e-12)).all()


def test_weights_of_fewer_bytes_are_read_in_less_time_and_computed_with_the_peak_that_computes_them() -> None:
    """By hand: 4-bit weights with a bfloat16 scale for 128; all else as in bfloat16."""
    wide, narrow = (Products.one((1, 4096, 4096), FORMATS[name]) for name in ("bfloat16", "int4_wo"))
    ends = 2 * 4096 * 2
    assert wide.nbytes[0] == ends + 2 * 4096**2
    assert narrow.nbytes[0] == ends + (0.5 + 2 / 128) * 4096**2
    assert FORMATS["int4_wo"].peak == "bfloat16"
    assert FORMATS["fp8"].out_bytes == 2, "products of fp8 are written in bfloat16"


LINK = Limits(1e15, 3e12, 132, link_bytes_per_s=450e9)
TOLD = LinkNumbers(launch_us=5.0, hop_us=0.5, link_share=0.75, setup_us=4.0, quick_share=0.4, contention=0.0)


def sums(limits: Limits = LINK, numbers: LinkNumbers = TOLD, noise: float = 0.03) -> tuple[AllReduces, np.ndarray]:
    gpus, elements = (axis.ravel() for axis in np.meshgrid([2.0, 4.0, 8.0], 2.0 ** np.arange(7, 31)))
    of = AllReduces(BF16, gpus, elements)
    return of, Exchange(of, limits).seconds(numbers) * np.random.default_rng(0).lognormal(0, noise, len(gpus))


def test_the_numbers_of_links_are_found_and_no_sum_beats_its_link() -> None:
    of, seconds = sums()
    found = fit([Exchange(of, LINK)], [seconds], [LINK])
    assert found.link_share == pytest.approx(0.75, rel=0.03)
    assert found.launch_us == pytest.approx(5.0, rel=0.05)
    assert (Exchange(of, LINK).seconds(TOLD) >= of.floor_s(LINK)).all()
    small, large = (AllReduces.one((8, n), BF16) for n in (1024, 2**30))
    assert Exchange(small, LINK).seconds(TOLD)[0] < 9e-6
    assert large.floor_s(LINK)[0] == pytest.approx(2 * 7 / 8 * 2**31 / 450e9)


def test_a_link_that_is_not_stated_is_told_in_bytes_and_of_no_share() -> None:
    """And a bus that all GPUs share is found: eight get less of it than two."""
    unstated = Limits(1e15, 3e12, 132)
    of, seconds = sums(unstated, replace(TOLD, link_share=0.2, contention=1.5))
    found = fit([Exchange(of, unstated)], [seconds], [unstated])
    told = found.told(unstated)
    assert told["link, GB/s"] == "20"
    assert told["of link, one way"] == "none stated"
    assert found.contention == pytest.approx(1.5, abs=0.1)
    assert not of.floor_s(unstated).any()


def test_a_bound_that_keeps_the_model_from_the_rows_is_no_model_and_one_that_costs_nothing_is_told() -> None:
    """Launches of 150 µs, three times what one may cost, as fp8 in blocks has them; and all of a bandwidth."""
    of = shapes(80)
    noise = np.random.default_rng(5).lognormal(0, 0.05, len(of.M))
    h100 = Limits(989.4e12, 3350e9, 132)
    slow = Demand(of, h100).seconds(replace(TRUE, launch_us=150.0)) * noise
    whole = Demand(of, h100).seconds(replace(TRUE, bandwidth_share=1.0)) * noise
    device = "NVIDIA H100 80GB HBM3"
    (first, second), _ = trials([rows(device, slow, of), rows(device, whole, of)])
    assert first.wrong is not None
    assert "the form is wrong: it takes" in first.wrong
    assert "50 µs of launch" in first.wrong
    assert second.bound == ("all of the bandwidth",)
    assert second.wrong is None


def test_rows_that_no_form_foresees_have_no_model() -> None:
    of = shapes(80)
    wild = Demand(of, LIMITS).seconds(TRUE) * np.random.default_rng(6).lognormal(0, 2.0, len(of.M))
    (found,), _ = trials([rows("NVIDIA H100 80GB HBM3", wild, of)])
    assert found.wrong is not None


def test_what_beats_the_roofline_is_told_apart_by_what_fits_in_the_cache() -> None:
    """H100's L2 has 50 MiB: operands of 2 MiB may lie in it, and of 128 MiB not."""
    of = shapes(60)
    seconds = of.floor_s(Limits(989.4e12, 3350e9, 132)) * 2
    (calm,), _ = trials([rows("NVIDIA H100 80GB HBM3", seconds, of)])
    assert (calm.faster.part, calm.faster.in_cache) == (0, None)
    small, large = of.nbytes < 50 * 2**20, of.nbytes >= 50 * 2**20
    (warm,), _ = trials([rows("NVIDIA H100 80GB HBM3", np.where(small, seconds / 3, seconds), of)])
    assert warm.faster.in_cache == 1
    (odd,), _ = trials([rows("NVIDIA H100 80GB HBM3", seconds / 3, of)])
    assert odd.faster.in_cache == pytest.approx(1 - large.mean())
