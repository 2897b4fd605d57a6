"""What a backend is not to know is thought of when it is due, kept within bounds, and no two workers get the same."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.worker import sampling
from oneblock.bench.worker.events import Held, NextInput, Window
from oneblock.bench.worker.examiner import Examiner
from oneblock.bench.worker.trial import Trial
from oneblock.bench.worker.unseen import Unseen
from tests.helpers.cases import case


def asked(examiner: Examiner, times: int, nbytes: int) -> list[int | None]:
    """The places of so many answers."""
    places = []
    for _ in range(times):
        examiner.hear(NextInput(twin=False), 0.0)
        places.append(examiner.hear(Held(nbytes), 0.0)["place"])
    return places


def test_no_input_comes_twice() -> None:
    seeds = [Examiner(1).hear(NextInput(twin=False), 0.0)["seed"] for _ in range(100)]
    assert len(set(seeds)) == 100


def test_answers_are_kept_within_bounds_and_any_may_be_the_last_to_be_dropped() -> None:
    large = Examiner(least=3)
    assert set(asked(large, 200, 2**40)) == {0, 1, 2, None}, "three are kept, however large they are"
    assert all(large.kept[place] in large.asked for place in (0, 1, 2))
    assert max(large.asked.index(one) for one in large.kept.values()) > 2, "and not always the first"
    small = Examiner(least=3)
    assert {place for place in asked(small, 500, 8) if place is not None} == set(range(64))


def test_a_twin_differs_from_its_elder_in_one_row() -> None:
    examiner, workload = Examiner(least=1), workloads.load("mlp")
    cell = Cell(case("mlp", n=16), "float32", "reference", "plain", Target("cpu"))
    assert examiner.hear(NextInput(twin=True), 0.0)["elder"] is None, "the first has none"
    elder = Unseen(**examiner.hear(NextInput(twin=False), 0.0))
    twin = Unseen(**examiner.hear(NextInput(twin=True), 0.0))
    assert twin.elder in [one.seed for one in examiner.asked]
    twin = Unseen(twin.seed, elder.seed)
    ones = (
        one.arrays(workload, partial(cell.unseen_arrays, workload))[workload.main_input].reshape(-1, 64)
        for one in (elder, twin)
    )
    differ = np.any(np.not_equal(*ones), axis=1)
    assert differ.sum() == 1


def test_a_window_that_a_busy_machine_stretched_is_timed_again_and_a_slow_clock_is_told() -> None:
    busy, slow = Examiner(least=1), Examiner(least=1)
    busy.hear(Window(None), 0.0)
    assert busy.hear(Window(0.02), 0.1) == {"again": True}
    busy.hear(Window(None), 1.0)
    assert busy.hear(Window(0.02), 1.021) == {"again": False}
    assert busy.slow_clock is None
    answers = []
    for number in range(5):
        slow.hear(Window(None), float(number))
        answers.append(slow.hear(Window(0.02), number + 0.1)["again"])
    assert answers == [True] * 4 + [False]
    assert slow.slow_clock is not None
    assert slow.slow_clock[0] == 0.02


class Sleeps:
    """An executable whose calls take a millisecond and compute nothing."""

    def put(self, arrays: Any) -> dict[str, Any]:
        return dict(arrays)

    def call(self, args: Any) -> None:
        time.sleep(1e-3)

    def wait(self, out: Any) -> None:
        """Nothing is left to wait for."""


@pytest.mark.parametrize(("slower", "accused"), [(1, False), (10, True)])
def test_who_is_heard_late_on_a_busy_machine_has_no_slow_clock(
    slower: int, accused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message takes 40 ms there, longer than the first window; a clock that goes slow is told all the same."""
    monkeypatch.setattr(sampling, "perf_counter_ns", lambda: time.perf_counter_ns() // slower)
    examiner = Examiner(least=1)

    def hear(question: Any) -> dict[str, Any]:
        late_s = 0.0 if question == Window(None) else 0.04
        return examiner.hear(question, time.perf_counter() + late_s)

    Trial(cast(Any, Sleeps()), {}, lambda unseen: {}, hear).window({}, 1)
    assert (examiner.slow_clock is not None) == accused
