"""Each way in which work leaves a clock is told by its own sentence, and what honest processes show by none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from oneblock.bench.judge.in_hand import refused
from oneblock.bench.records.in_hand import Around, InHand

CALL = 0.004
HONEST = Around(put_s=1e-4, put_copy_s=1e-5, get_s=5e-5, get_own_s=5e-5, get_copy_s=1e-5, waited_s=0.0)
ROUNDS = 5


def launch(
    cold: float = CALL, fresh: float = CALL, seen: float = CALL, again: float = CALL, warm: float = CALL,
    window: tuple[float, float] | None = None, **around: float | None,
) -> Any:  # fmt: skip
    """What a process tells whose calls all take so long, with so much around each."""
    each: Any = (replace(HONEST, **around),) * ROUNDS  # type: ignore[arg-type]
    in_hand = InHand(each, each, (seen,) * ROUNDS, (again,) * ROUNDS, (around.get("waited_s", 0.0),) * ROUNDS, window)
    series = {"cold_s": (cold,) * ROUNDS, "fresh_s": (fresh,) * ROUNDS, "warm_s": (warm,) * ROUNDS}
    return SimpleNamespace(in_hand=in_hand, **series)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (launch(cold=1e-5, fresh=1e-5, put_s=CALL), "`put` takes 4 ms, and a call 10 µs: it works before the clock"),
        (launch(cold=1e-5, fresh=1e-5, get_s=CALL, get_own_s=CALL), "`get` takes 4 ms, and a call 10 µs: it does the"),
        (
            launch(cold=1e-5, fresh=1e-5, get_s=CALL),
            "`get` takes 4 ms, and a call 10 µs: it waits for work that `wait`",
        ),
        (launch(cold=1e-5), "something works on inputs before they are called for"),
        (launch(seen=1e-5), "4 ms for an input never seen before, and 10 µs for the same bytes again"),
        (launch(seen=CALL / 2), "for the same bytes again: results are kept"),
        (launch(again=1e-5), "4 ms for arguments never seen before, and 10 µs for the same ones once more"),
        (launch(warm=1e-5), "the same ones again and again: results are kept"),
        (launch(window=(0.02, 0.2)), "calls took 20 ms by the clock of the process that timed them, and 200 ms by"),
        (launch(cold=2e-6, fresh=2e-6, seen=2e-6, again=2e-6, warm=2e-6, get_s=3e-4), "`get` takes 300 µs"),
    ],
)
def test_work_outside_the_clock_is_told_by_where_it_is_done(told: Any, says: str) -> None:
    assert says in str(refused((launch(), told), "cpu"))


@pytest.mark.parametrize(
    "told",
    [
        launch(),
        launch(fresh=CALL * 0.8, seen=CALL * 0.8, again=CALL * 0.7, warm=CALL * 0.5),  # caches are warm
        launch(cold=2e-4, fresh=1.2e-4, seen=9e-5, again=3.5e-5, warm=2.5e-5),  # a tiny call in the interpreter
        launch(cold=3e-4, fresh=1.5e-4, seen=1.5e-4, again=6e-5, warm=5e-5, put_s=3e-4, get_s=7e-5),  # by JAX
        launch(cold=0.26, fresh=0.23, seen=0.24, again=0.14, warm=0.23, put_s=0.03),  # a pool waits for its threads
        launch(put_s=0.02, put_copy_s=0.006),  # a copy of much
    ],
)
def test_what_honest_processes_show_is_refused_to_nobody(told: Any) -> None:
    assert refused((told,), "cpu") is None


def test_one_without_its_cores_accuses_nobody_and_one_that_nobody_looked_at_neither() -> None:
    told = launch(again=1e-5, waited_s=0.003)
    assert refused((told,), "cpu") is None
    assert not told.in_hand.enough(told.fresh_s)
    assert refused((SimpleNamespace(in_hand=None),), "cpu") is None  # type: ignore[arg-type]
    untold = launch(again=1e-5, waited_s=None)  # a system that does not tell
    assert refused((untold,), "cpu") is not None


def test_a_device_beyond_a_bus_may_take_longer_to_copy() -> None:
    told = launch(put_s=3e-3, get_s=3e-3)
    assert refused((told,), "cuda") is None
    assert refused((told,), "cpu") is not None
