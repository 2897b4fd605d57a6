"""What disturbs a sample is seen: waiting for a core, a slow canary; what is a program's own is not held against it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.records.disturbance import Pace
from oneblock.bench.worker import contention, sampling
from oneblock.bench.worker.canary import Canary
from oneblock.bench.worker.contention import Shares, Waiting, Window
from oneblock.bench.worker.sampling import series
from oneblock.bench.worker.surroundings import Sample, Surroundings

SMOKE = TIERS["smoke"]
_BESIDE = """
import os, sys, time
sys.path[:0] = {path!r}
from oneblock.bench.worker.contention import Waiting, Window
os.sched_setaffinity(0, {{{cpu}}})
waiting, window, end = Waiting(), Window(), time.monotonic() + 0.5
waiting.mark()
while time.monotonic() < end:
    pass
shares = window.shares()
print(waiting.since() * 1e-9, shares.others, flush=True)
"""


def _spin(cpu: int, seconds: float) -> str:
    until = f"end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    return f"import os, time; os.sched_setaffinity(0, {{{cpu}}})\n{until}"


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests ignore what disturbs them."""
    monkeypatch.delenv("ONEBLOCK_DISTURBANCE", raising=False)


def test_who_asks_that_nobody_looks_gets_records_that_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEBLOCK_DISTURBANCE", "ignore")
    around = Surroundings(Pace(1e-12, 1e-12))
    sample = around.after_flush(lambda: 0.5)
    assert sample.clean
    assert around.evidence([sample], 1).seen_by == "nothing"


@contextmanager
def _process(code: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.skipif(not Waiting().told, reason="this system does not tell how long a thread waits for a core")
def test_a_thread_that_shares_its_core_is_seen_to_wait() -> None:
    """Two processes on one core for half a second: each waits for about half of it, and both know of the other."""
    import os

    cpu = min(os.sched_getaffinity(0))
    with _process(_spin(cpu, 5)), _process(_BESIDE.format(path=sys.path, cpu=cpu)) as other:
        waited_s, others = map(float, other.communicate()[0].split())
    assert waited_s > 0.1
    assert others > 0.2


def test_where_the_system_tells_nothing_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(contention, "_TASKS", str(tmp_path / "none"))
    monkeypatch.setattr(contention.os, "sysconf", lambda _: (_ for _ in ()).throw(ValueError))
    waiting = Waiting()
    waiting.mark()
    assert not waiting.told
    assert waiting.since() == 0
    assert Window().shares() is None
    around = Surroundings(None)
    assert around.shared(), "who knows nothing of others cannot say that a wait was the program's own"
    assert around.evidence([], 0).seen_by == "canary"


def test_a_quota_shows_though_nobody_else_had_a_core() -> None:
    assert Shares(others=0.0, stolen=0.0, throttled=0.2).any
    assert Shares(others=0.0, stolen=1.0, throttled=0.0).any
    assert not Shares(others=0.01, stolen=0.0, throttled=0.0).any


class _Paced(Canary):
    """A canary whose product takes so long."""

    def __init__(self, best: Pace | None, seconds: float) -> None:
        super().__init__(best)
        self.seconds = seconds

    def _product(self) -> float:
        return self.seconds


def test_a_canary_is_waited_for_and_its_slowness_told() -> None:
    best = Pace(1e-4, None)
    assert _Paced(best, 1e-4).settle()
    slow = _Paced(best, 2e-4)
    assert not slow.settle(), "twice its best is another machine"
    assert not slow.still()
    for _ in range(5):
        slow.still()
    assert slow.pace() == Pace(2e-4, None)
    assert _Paced(None, 2e-4).settle(), "nothing is known to hold it against"


def _taken(pattern: str) -> Callable[[], Sample]:
    """Samples of 10 ms: "c" clean, "w" one that waited for a core, "s" one beside a slow canary."""
    kinds = cycle(pattern)

    def take() -> Sample:
        kind = next(kinds)
        return Sample(0.01 if kind == "c" else 0.03, kind == "w", kind == "s")

    return take


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is 20 ms later."""
    now = iter(range(0, 10**13, 20_000_000))
    monkeypatch.setattr(sampling, "perf_counter_ns", lambda: next(now))


@pytest.mark.usefixtures("clock")
def test_what_is_dirty_is_taken_again_and_never_counts() -> None:
    made = series(_taken("wsc"), SMOKE)
    assert made.counted == [0.01] * SMOKE.samples
    assert made.stopped_by == "samples"
    assert len(made.samples) == 3 * SMOKE.samples


@pytest.mark.usefixtures("clock")
def test_too_few_that_count_are_no_time_at_all() -> None:
    """Not one in a hundred counts: no patience brings five; one in thirty brings them within it."""
    assert series(_taken("w" * 99 + "c"), SMOKE, patience_s=3.0).stopped_by == "disturbed"
    assert series(_taken("w" * 29 + "c"), SMOKE, patience_s=30.0).stopped_by == "cap"
    assert series(_taken("s"), SMOKE).stopped_by == "disturbed"


@pytest.mark.usefixtures("clock")
def test_waiting_for_oneself_is_the_programs_own_slowness() -> None:
    """More threads than cores, and nobody else: that is what a call takes."""
    made = series(_taken("w"), SMOKE, shared=lambda: False)
    assert made.counted == [0.03] * SMOKE.samples


@pytest.mark.usefixtures("clock")
def test_a_machine_that_is_slow_all_the_time_is_taken_as_it_is_but_not_beside_others() -> None:
    """Samples beside a quick canary are preferred while the tier's cap lasts."""
    assert set(series(_taken("sssc"), SMOKE, shared=lambda: False).counted) == {0.01}
    always = series(_taken("s"), SMOKE, shared=lambda: False)
    assert always.stopped_by in ("samples", "cap")
    assert set(always.counted) == {0.03}


def test_evidence_keeps_what_did_not_count_raw_and_apart() -> None:
    around = Surroundings(Pace(1.0, 1.0))
    found = around.evidence([Sample(0.1, False, False), Sample(0.3, True, True), Sample(0.2, False, True)], 1)
    assert (found.clean, found.waited_s, found.slowed_s) == (1, (0.3,), (0.2,))
    assert around.evidence([Sample(0.3, True, False)], 1).dirty == 0, "it counted, since nobody else had the cores"
