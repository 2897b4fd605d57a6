"""Verdicts on samples whose truth is known, and the loop that takes samples, under a clock of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.judge.stats import (
    Difference,
    Launches,
    Pair,
    Verdict,
    centre,
    difference,
    differences,
    interval,
    intervals,
    spread,
)
from oneblock.bench.records.disturbance import Spread
from oneblock.bench.worker import sampling as _sampling
from oneblock.bench.worker.sampling import calls_for, series, time_calls, warm_up
from oneblock.bench.worker.surroundings import Sample

SMOKE, STANDARD = TIERS["smoke"], TIERS["standard"]


def launches(
    rng: np.random.Generator, processes: int, samples: int, base: float, noise: float = 0.02, luck: float = 0.01
) -> list[list[float]]:
    """Samples of a machine with noise within a process and luck between them, both as shares of the time; skewed, as
    times are: nothing is ever faster than the work."""
    fates = 1 + luck * np.abs(rng.standard_normal(processes))
    return [list(base * fate * (1 + noise * np.abs(rng.standard_normal(samples)))) for fate in fates]


def test_the_same_thing_twice_is_not_called_different() -> None:
    rng = np.random.default_rng(0)
    verdicts = [difference(launches(rng, 6, 30, 1.0), launches(rng, 6, 30, 1.0), 0.03).verdict for _ in range(50)]
    assert sum(v in (Verdict.SAME, Verdict.AMBIGUOUS) for v in verdicts) >= 49


def test_a_tenth_slower_is_found_and_so_is_a_tenth_faster() -> None:
    rng = np.random.default_rng(1)
    for factor, expected in ((1.1, Verdict.SLOWER), (1 / 1.1, Verdict.FASTER)):
        pairs = [(launches(rng, 6, 30, 1.0), launches(rng, 6, 30, factor)) for _ in range(50)]
        assert sum(difference(a, b, 0.03).verdict is expected for a, b in pairs) >= 48


def test_one_unlucky_process_makes_no_verdict() -> None:
    """A rank test of all samples would call this significant: a sixth of them are half as long again."""
    rng = np.random.default_rng(2)
    a, b = launches(rng, 6, 100, 1.0), launches(rng, 6, 100, 1.0)
    b[3] = [1.5 * s for s in b[3]]
    assert difference(a, b, 0.03).verdict in (Verdict.SAME, Verdict.AMBIGUOUS)


def test_a_difference_too_small_to_matter_is_not_a_verdict_however_certain() -> None:
    rng = np.random.default_rng(3)
    a, b = launches(rng, 6, 300, 1.0, 0.001, 0.0005), launches(rng, 6, 300, 1.02, 0.001, 0.0005)
    assert difference(a, b, 0.03).verdict is Verdict.SAME


def test_one_process_a_side_says_no_more_than_processes_differ_by() -> None:
    """Samples of one process cannot tell how the next would do: not until that was learnt, and not beyond it."""
    rng = np.random.default_rng(4)
    a, b = launches(rng, 1, 20, 1.0), launches(rng, 1, 20, 1.2)
    steady, restless = Spread(0.01, 20), Spread(0.08, 20)
    assert difference(a, b, SMOKE.min_effect, steady).verdict is Verdict.SLOWER
    assert difference(a, b, SMOKE.min_effect, restless).verdict is Verdict.AMBIGUOUS
    unknown = difference(a, b, SMOKE.min_effect)
    assert unknown.verdict is Verdict.AMBIGUOUS
    assert "assumed" in unknown.why
    assert difference(a, launches(rng, 1, 20, 3.0), SMOKE.min_effect).verdict is Verdict.SLOWER
    wild = difference(launches(rng, 1, 5, 1.0, noise=0.5), launches(rng, 1, 5, 1.12, noise=0.5), 0.10, steady)
    assert wild.verdict is Verdict.AMBIGUOUS


def test_what_the_machine_itself_did_is_no_verdict_on_what_ran_on_it() -> None:
    """A neighbour on the same core makes all slower by a fifth; the canary tells, by more."""
    steady, pace = Spread(0.01, 20), float(np.log(1.3))
    assert difference([[1.0] * 20], [[1.2] * 20], 0.10, steady).verdict is Verdict.SLOWER
    beside = difference([[1.0] * 20], [[1.2] * 20], 0.10, steady, pace)
    assert beside.verdict is Verdict.AMBIGUOUS
    assert "own pace" in beside.why
    assert beside.low < 1 < beside.high
    assert difference([[1.0] * 20], [[1.8] * 20], 0.10, steady, pace).verdict is Verdict.SLOWER


def _processes(rng: np.random.Generator, luck: float, base: float) -> Launches:
    return [[base * float(np.exp(luck * rng.standard_normal()))] * 30 for _ in range(6)]


def test_a_hundred_unchanged_pairs_make_at_most_one_verdict_and_a_twentieth_is_found() -> None:
    """Where processes differ by 1.4 %: at tier standard, six processes a side."""
    rng = np.random.default_rng(8)
    learnt = Spread(0.014, 40)

    def found(base: float) -> list[Difference]:
        return differences([
            Pair(_processes(rng, 0.014, 1.0), _processes(rng, 0.014, base), 0.03, learnt) for _ in range(400)
        ])  # fmt: skip

    assert sum(one.verdict in (Verdict.SLOWER, Verdict.FASTER) for one in found(1.0)) <= 4
    assert sum(one.verdict is Verdict.SLOWER for one in found(1.05)) >= 380


def test_the_smallest_effect_that_is_printed_would_have_been_found() -> None:
    rng = np.random.default_rng(9)
    for share in (0.01, 0.05, 0.15):
        least = difference([[1.0] * 20], [[1.0] * 20], 0.10, Spread(share, 30)).least_found
        one = [[[float(np.exp(share * rng.standard_normal()))] * 20] for _ in range(400)]
        pairs = zip(one[:200], ([[(1 + least) * s for s in b] for b in side] for side in one[200:]), strict=True)
        seen = differences([Pair(a, b, 0.10, Spread(share, 30)) for a, b in pairs])
        assert sum(found.verdict is Verdict.SLOWER for found in seen) >= 170, (
            f"of 200 at a spread of {share}, where {least:.0%} should be found nine times in ten"
        )


def test_centre_interval_and_spread() -> None:
    assert centre([[1, 2, 3], [10, 20, 30], [4, 5, 6]]) == 5
    low, high = interval([[1.0, 1.1, 1.2]] * 3)
    assert 1.0 <= low <= 1.1 <= high <= 1.2
    wider = interval([[1.0, 1.1, 1.2]], Spread(0.10, 20))
    assert wider[0] < 0.9, "one process cannot tell how the next would do"
    assert wider[1] > 1.4
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert interval([[1.0, 1.1, 1.2]] * 3) == (low, high), "the same samples give the same interval"


def test_thousands_together_get_the_answers_that_each_gets_alone() -> None:
    """Of whatever shape, and with ties."""
    rng = np.random.default_rng(6)
    shapes = [(1, 6), (1, 20), (6, 30), (3, 8), (1, 6)]
    pairs = [Pair(launches(rng, *shape, 1.0), launches(rng, *shape, 1.05), 0.03) for shape in shapes]
    pairs.append(Pair([[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]], [[1.0, 2.0, 2.0, 2.0, 3.0, 3.0]], 0.03, Spread(0.02, 9)))
    assert differences(pairs) == [difference(*pair) for pair in pairs]
    sets = [pair.a for pair in pairs]
    assert intervals(sets) == [interval(one) for one in sets]


def test_an_interval_does_not_hang_on_the_order_of_the_samples() -> None:
    rng = np.random.default_rng(7)
    (samples,) = launches(rng, 1, 700, 1.0)
    low, high = interval([samples])
    assert interval([samples[::-1]]) == (low, high)
    assert low < centre([samples]) < high
    assert interval([sorted(samples)[:350]])[1] < low, "and it is of these samples"


class Clock:
    """A clock that only moves when somebody works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ns = 0
        monkeypatch.setattr(_sampling, "perf_counter_ns", lambda: self.ns)


class Works:
    """An executable whose calls take what they are told; `wait` is where the time passes, as on a device."""

    timer = "test"

    def __init__(self, clock: Clock, seconds: list[float]) -> None:
        self.clock, self.seconds, self.calls = clock, seconds, 0

    def call(self, args: Mapping[str, Any]) -> int:
        self.calls += 1
        return self.calls

    def wait(self, out: int) -> None:
        self.clock.ns += round(self.seconds[min(out, len(self.seconds)) - 1] * 1e9)


def test_a_sample_is_the_mean_of_calls_that_were_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    works = Works(Clock(monkeypatch), [1.0, 2.0, 3.0])
    assert time_calls(works, {}, 3) == (pytest.approx(2.0), 3)  # type: ignore[arg-type]


def test_warming_up_goes_on_until_times_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    falling = [0.02 * 0.9**i for i in range(60)]
    works = Works(Clock(monkeypatch), [*falling, *[falling[-1]] * 200])
    seconds = warm_up(works, {}, STANDARD)  # type: ignore[arg-type]
    assert len(seconds) > 60, "it stopped while calls were still getting faster"
    never = Works(Clock(monkeypatch), [1e-4 * 2 ** (i % 2 * 2 + i / 40) for i in range(400)])
    assert len(warm_up(never, {}, STANDARD)) <= STANDARD.warmup_most  # type: ignore[arg-type]


def test_a_series_stops_at_its_count_its_precision_or_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def sample(seconds: float) -> Sample:
        clock.ns += round(seconds * 1e9)
        return Sample(seconds, waited=False, slowed=False)

    made = series(lambda: sample(0.01), SMOKE)
    assert (made.counted, made.stopped_by) == ([0.01] * 20, "samples")
    made = series(lambda: sample(0.01), STANDARD, STANDARD.rel_stderr)
    assert (len(made.counted), made.stopped_by) == (50, "precision")  # 30 samples, and half a second of them
    rng = np.random.default_rng(5)
    made = series(lambda: sample(0.1 * (1 + abs(rng.standard_normal()))), STANDARD, STANDARD.rel_stderr)
    assert made.stopped_by == "cap"
    assert sum(made.counted) > STANDARD.cap_s
    made = series(lambda: sample(10.0), SMOKE)
    assert (len(made.counted), made.stopped_by) == (SMOKE.least, "cap"), "the cap must leave enough for a median"


def test_short_calls_are_batched_and_long_ones_are_not() -> None:
    assert calls_for(1e-6) == 1000
    assert calls_for(1e-3) == calls_for(5.0) == 1
