"""A service by a clock that is known: the batch, the times, the devices' time and the money follow by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oneblock.bench.cost.prices import Price
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE, Assumed, Offer
from oneblock.bench.cost.traffic import Objective, Traffic
from oneblock.bench.format.errors import Refused

TRAFFIC = Traffic(1000, 100)


class Known:
    """A prompt takes a microsecond a token, a step 2 ms and 10 µs a sequence; both may take half as long, or twice."""

    batches = np.arange(1.0, 65.0)

    def prompt_s(self, T: int) -> np.ndarray:
        return np.array([1, 0.5, 2]) * T * 1e-6

    def step_s(self, S: int) -> np.ndarray:
        return np.array([[1], [0.5], [2]]) * (2e-3 + 1e-5 * self.batches)


def offer(fits: int = 64, **more: object) -> Offer:
    return Offer("cuda:sm_90", 1, Known(), lambda S: fits, **more)  # type: ignore[arg-type]


def test_the_largest_batch_that_fits_serves_most_and_its_times_follow() -> None:
    service = offer(fits=50).serve(TRAFFIC, Objective())
    assert service is not None
    assert (service.B, service.met) == (50, True)
    step = 2.5e-3
    assert service.itl_s[MIDDLE] == pytest.approx(step + 50 * 1e-3 / 100)
    assert service.ttft_s[MIDDLE] == pytest.approx(1e-3 + step)
    assert service.device_s[MIDDLE] == pytest.approx(1e-3 + 100 * step / 50)
    assert service.device_s[LOW] == pytest.approx(service.device_s[MIDDLE] / 2)
    assert service.device_s[HIGH] == pytest.approx(service.device_s[MIDDLE] * 2)
    assert service.tokens_per_s()[MIDDLE] == pytest.approx(100 / service.device_s[MIDDLE])
    assert service.per_request() is None, "without a price there is no money"


def test_an_objective_bounds_the_batch_and_what_none_meets_is_told_with_the_quickest() -> None:
    bounded = offer().serve(TRAFFIC, Objective(itl_s=2.401e-3))
    assert bounded is not None
    assert (bounded.B, bounded.met) == (20, True)  # 2 ms + 20 * (10 µs + 1 ms / 100)
    missed = offer().serve(TRAFFIC, Objective(itl_s=1e-3))
    assert missed is not None
    assert (missed.B, missed.met) == (1, False)
    assert offer(fits=0).serve(TRAFFIC, Objective()) is None


def test_input_and_output_have_prices_of_their_own_which_make_up_a_requests() -> None:
    priced = offer(price=Price("cuda:sm_90", 3.6, "somebody", "somewhere", "spot"))
    service = priced.serve(TRAFFIC, Objective())
    assert service is not None
    each_in, each_out, whole = service.per_million_in(), service.per_million_out(), service.per_request()
    assert each_in is not None
    assert each_out is not None
    assert whole is not None
    assert each_in[MIDDLE] == pytest.approx(1e6 * 1e-6 * 3.6 / 3600)
    assert 1000e-6 * each_in[MIDDLE] + 100e-6 * each_out[MIDDLE] == pytest.approx(whole[MIDDLE])
    dearer = priced.serve(TRAFFIC, Objective(), Assumed(price=2.0))
    slower = priced.serve(TRAFFIC, Objective(), Assumed(speed=0.5))
    idle = priced.serve(TRAFFIC, Objective(), Assumed(utilisation=0.5))
    for one in (dearer, slower, idle):
        assert one is not None
        cost = one.per_request()
        assert cost is not None
        assert cost[MIDDLE] == pytest.approx(2 * whole[MIDDLE])


def test_a_rate_takes_whole_replicas_and_what_stands_idle_is_paid_for() -> None:
    priced = offer(price=Price("cuda:sm_90", 3.6, "somebody", "somewhere", "spot"))
    full = priced.serve(TRAFFIC, Objective())
    assert full is not None
    one = float(full.requests_per_s[MIDDLE])
    rated = priced.serve(replace(TRAFFIC, rate=1.5 * one), Objective())
    assert rated is not None
    assert rated.replicas == 2
    assert rated.utilisation == pytest.approx(0.75)
    costs = [service.per_request() for service in (full, rated)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[1][MIDDLE] == pytest.approx(costs[0][MIDDLE] / 0.75)


def test_the_slow_end_of_the_range_takes_the_replicas_that_it_needs() -> None:
    """At each end whole replicas, by hand: no request costs less than one device's hour over an hour's requests."""
    priced = offer(price=Price("cuda:sm_90", 3.6, "somebody", "somewhere", "spot"))
    full = priced.serve(TRAFFIC, Objective())
    assert full is not None
    middle, slow = (float(full.requests_per_s[end]) for end in (MIDDLE, HIGH))
    assert slow < middle
    rate = (middle + slow) / 2
    rated = priced.serve(replace(TRAFFIC, rate=rate), Objective())
    assert rated is not None
    cost = rated.per_request()
    assert cost is not None
    assert [rated.replicas_of[end] for end in (LOW, MIDDLE, HIGH)] == [1, 1, np.ceil(rate / slow)]
    assert cost[LOW] == pytest.approx(3.6 / 3600 / rate)
    assert cost[MIDDLE] == pytest.approx(cost[LOW]), "one replica costs as much however it is used"
    assert cost[HIGH] == pytest.approx(np.ceil(rate / slow) * cost[LOW])


def test_no_assumption_uses_a_replica_more_than_all_the_time() -> None:
    priced = offer(price=Price("cuda:sm_90", 3.6, "somebody", "somewhere", "spot"))
    full, more = (priced.serve(TRAFFIC, Objective(), Assumed(utilisation=by)) for by in (1.0, 2.0))
    assert full is not None
    assert more is not None
    assert more.utilisation == 1.0
    assert (more.per_request() == full.per_request()).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["0:10", "10:0", "10:10:0", "10", "a:b", "10:10:x", "-1:5", "1:2:3:4", "10:10:1e3"])
def test_traffic_of_nothing_and_what_is_no_traffic_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="--traffic: expected"):
        Traffic.parse(text)


@pytest.mark.parametrize("text", ["", "ttft", "ttft=5", "itl=0ms", "ttft=1s,ttft=2s", "p99=3ms", "itl=-3ms"])
def test_an_objective_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="--slo"):
        Objective.parse(text)


def test_an_objective_and_traffic_are_read_with_their_units() -> None:
    assert Objective.parse("ttft=500ms,itl=20us") == Objective(0.5, 20e-6)
    assert Objective.parse("itl=1.5s") == Objective(None, 1.5)
    assert Traffic.parse("10:20:2.5") == Traffic(10, 20, 2.5)
