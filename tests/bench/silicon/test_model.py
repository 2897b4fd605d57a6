"""The model of a launch: it finds what it was planted with, obeys physics, and is tried on rows it has not seen."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from oneblock.bench.silicon.launches import Decodes, Launches, Prefills, Products
from oneblock.bench.silicon.model import Demand, Limits, Shares, bare_roofline, fitted
from oneblock.bench.silicon.rows import Rows
from oneblock.bench.silicon.trial import trials
from oneblock.compilers.api.kind import Reported

LIMITS = Limits(flops_per_s=1e15, bytes_per_s=3e12, sms=132)
TRUE = Shares(flops_share=0.9, bandwidth_share=0.8, launch_us=2.5, edge=12.0, overlap=3.0, wave_us=1.0)


def shapes(many: int = 40, seed: int = 0) -> Products:
    """So many pairs (N, K), with eleven M each."""
    draw = np.random.default_rng(seed)
    N, K = (64.0 * draw.integers(2, 256, many) for _ in range(2))
    M = 2.0 ** np.arange(11)
    return Products(2.0, np.tile(M, many), np.repeat(N, 11), np.repeat(K, 11))


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
    assert (Demand(of, LIMITS).seconds(TRUE) >= bare_roofline(of, LIMITS)).all()
    larger = replace(of, K=2 * of.K)
    assert (Demand(larger, LIMITS).seconds(TRUE) >= Demand(of, LIMITS).seconds(TRUE)).all()


def test_a_tile_more_than_the_multiprocessors_take_costs_another_wave() -> None:
    """At 132 tiles of 256 x 128 all are busy once, at 133 twice; smaller ones, which fit, reach less of the peak."""
    costly = replace(TRUE, edge=30.0)
    full, more = (Products(2.0, np.array([256.0]), np.array([128.0 * n]), np.array([65536.0])) for n in (132, 133))
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
    (found,), left = trials([rows("NVIDIA H100 80GB HBM3", bare_roofline(of, LIMITS) / 3, of)])
    assert left == []
    assert found.faster > 0.9
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
    seconds = bare_roofline(of, LIMITS) * 2
    found, left = trials([
        rows("NVIDIA H1000", seconds, of), rows("NVIDIA H200", seconds, of, "fp8"),
        rows("NVIDIA H200", bare_roofline(few, LIMITS), few),
    ])  # fmt: skip
    assert found == []
    assert [why.split(": ")[0] for why in left] == ["NVIDIA H1000", "cuda:sm_90:h200", "cuda:sm_90:h200"]
    assert "no chip of that name" in left[0]
    assert "no peak of float8_e4m3fn is known, so there is no model" in left[1]
    assert "fewer than 20 groups of shapes" in left[2]


def prefills(T: float, window: float = 0.0, N: float = 32.0) -> Prefills:
    """One, of 32 heads of 128 and 8 of keys."""
    return Prefills(2.0, *(np.array([size]) for size in (1.0, T, N, 8.0, 128.0, window)))


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
        time >= bare_roofline(prefills(T), LIMITS)[0]
        for T, time in zip((16.0, 65536.0), (times[0], times[-1]), strict=True)
    )
    assert Demand(prefills(65536.0, 1024.0), LIMITS).seconds(TRUE)[0] < times[-1] / 20


def test_a_decode_reads_what_it_sees_once_and_many_small_ones_take_waves() -> None:
    one = Decodes.one((4, 1000, 32, 8, 128, 0), 2.0)
    assert one.nbytes[0] == 2 * 4 * 128 * (8 * 1000 * 2 + 32 * 2)
    assert one.flops[0] == 4 * 4 * 32 * 1000 * 128
    assert Decodes.one((4, 1000, 32, 8, 128, 100), 2.0).flops[0] == one.flops[0] / 10
    assert Decodes.at({name: np.array([1.0]) for name in Decodes.axes}, 2.0).T[0] == 2, "a step, and its own token"
    few, many = (Demand(Decodes.one((B, 2, 32, 8, 128, 0), 2.0), LIMITS).seconds(TRUE)[0] for B in (1, 1024))
    assert many > few + 20e-6, "62 waves, whatever the bytes"
