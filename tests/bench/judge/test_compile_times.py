from __future__ import annotations

import random

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.compile_times import CompileTime, compile_time, judged, unwatched
from oneblock.bench.judge.stats import Verdict


def timed(a: list[float], b: list[float]) -> CompileTime:
    return compile_time("a cell", "processor", ("1", "2"), a, b)


QUIET = [1.00, 1.02, 0.99, 1.01, 1.00]


def test_equal_releases_did_not_move_and_twice_as_long_is_slower() -> None:
    assert timed(QUIET, QUIET[::-1]).verdict is not Verdict.SLOWER
    slower = timed(QUIET, [2 * one for one in QUIET])
    assert (slower.verdict, slower.ratio) == (Verdict.SLOWER, 2.0)
    assert slower.low > 1
    faster = timed([2 * one for one in QUIET], QUIET)
    assert (faster.verdict, faster.ratio) == (Verdict.FASTER, 0.5)
    assert slower.samples_s[0] == tuple(QUIET), "the raw seconds stay"


def test_what_one_release_does_from_round_to_round_is_no_release_s_doing() -> None:
    """A judge that holds medians against each other calls this 40 % slower."""
    found = timed([1.0, 1.8, 1.0, 1.7, 1.0], [1.4, 1.1, 1.9, 1.4, 1.5])
    assert found.medians_s == (1.0, 1.4)
    assert found.verdict is Verdict.AMBIGUOUS
    assert found.same_again == pytest.approx(1.8)


@pytest.mark.parametrize("pace", [0.0, 0.3])
def test_unchanged_releases_are_called_different_once_in_a_hundred_at_the_most(pace: float) -> None:
    chance = random.Random(0)
    moved = 0
    for _ in range(300):
        paces = [chance.lognormvariate(0, pace) for _ in range(5)]  # of the machine, which both have in a round
        a, b = ([one * chance.lognormvariate(0, 0.05) for one in paces] for _ in range(2))
        moved += timed(a, b).verdict in (Verdict.SLOWER, Verdict.FASTER)
    assert moved <= 3


@pytest.mark.parametrize(("a", "b"), [([1.0, 1.0], [2.0, 2.0]), ([1.0, 1.0, 1.0], [2.0, 2.0])])
def test_too_few_rounds_are_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(Refused, match="expected 3 rounds or more of both releases"):
        timed(a, b)


def test_where_nobody_looked_there_is_no_verdict() -> None:
    found = unwatched(timed(QUIET, [2 * one for one in QUIET]))
    assert (found.verdict, "nobody looked" in found.why) == (Verdict.AMBIGUOUS, True)


def test_each_release_is_held_against_the_one_before_by_every_clock() -> None:
    samples = {
        name: [{"a cell": {"wall": one * factor, "processor": one}} for one in QUIET]
        for name, factor in (("1", 1), ("2", 1), ("3", 2))
    }
    found = {(one.clock, one.after): one.verdict for one in judged(["1", "2", "3"], samples)}
    assert found == {
        ("wall", "2"): Verdict.SAME, ("wall", "3"): Verdict.SLOWER,
        ("processor", "2"): Verdict.SAME, ("processor", "3"): Verdict.SAME,
    }  # fmt: skip
