"""The clock: warm-up until it settles, then three series of raw seconds of one executable.

cold    one call a sample, after the caches were flushed: what a call costs between others. The primary series.
warm    the same input again and again, batched until a sample lasts a millisecond.
fresh   one call a sample, each of an input never seen before: a cache of results shows against warm.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter_ns
from typing import Any

from oneblock.backends.api.backend import Executable
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.worker.surroundings import Sample

SHORTEST_SAMPLE_S = 1e-3
_TRIES = 5  # times a tier's cap at most, for as many samples as it counts


def time_calls(executable: Executable, args: MutableMapping[str, Any], calls: int = 1) -> tuple[float, Any]:
    """(seconds a call, the last output) of `calls` calls, each waited for."""
    call, wait, out = executable.call, executable.wait, None
    start = perf_counter_ns()
    for _ in repeat(None, calls):
        out = call(args)
        wait(out)
    return (perf_counter_ns() - start) / calls * 1e-9, out


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection while the clock runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def warm_up(executable: Executable, args: MutableMapping[str, Any], tier: Tier) -> list[float]:
    """Call until the tier's count and time are reached and, where it asks for that, the times have settled."""
    seconds: list[float] = []
    while len(seconds) < tier.warmup_most and sum(seconds) < tier.cap_s:
        seconds.append(time_calls(executable, args)[0])
        if len(seconds) >= tier.warmup_calls and sum(seconds) >= tier.warmup_s and _settled(seconds, tier.settle):
            break
    return seconds


def _settled(seconds: list[float], within: float | None) -> bool:
    """Whether the medians of the last two quarters differ by less than `within` of themselves."""
    if within is None:
        return True
    quarter = len(seconds) // 4
    if quarter < 2:
        return False
    earlier = statistics.median(seconds[-2 * quarter : -quarter])
    later = statistics.median(seconds[-quarter:])
    return abs(later - earlier) < within * earlier


@dataclass
class Series:
    """The samples of one series, and why it ended."""

    samples: list[Sample] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # which of them count
    stopped_by: str = ""  # "samples", "precision", "cap"; "disturbed": too few count

    @property
    def counted(self) -> list[float]:
        """Seconds of those that count."""
        return [self.samples[i].seconds for i in self.kept]


def series(
    take: Callable[[], Sample],
    tier: Tier,
    rel_stderr: float | None = None,
    patience_s: float = 0.0,
    shared: Callable[[], bool] = lambda: True,
) -> Series:
    """Sample until the tier's count, its standard error or its cap; what does not count is kept apart and taken again.

    The cap counts the time in `take` as a whole, what it does before the clock starts included, and lets at least
    `tier.least` samples through. Where fewer than those count it is patient for `patience_s`, as long as they may come.
    Where the cores are not `shared`, a program's threads waited for each other, which counts; and a machine that is
    slow all the time, though nobody is to be seen, is taken as it is.
    """
    made = Series()
    start = perf_counter_ns()
    while not made.stopped_by:
        made.samples.append(take())
        passed_s = (perf_counter_ns() - start) * 1e-9
        alone = not all(sample.clean for sample in made.samples) and not shared()
        made.kept = [i for i, s in enumerate(made.samples) if s.clean or (alone and not s.slowed)]
        if alone and passed_s > tier.cap_s and len(made.kept) < tier.least:
            made.kept = list(range(len(made.samples)))
        made.stopped_by = _stop(made, tier, rel_stderr, passed_s, patience_s)
    return made


def _stop(made: Series, tier: Tier, rel_stderr: float | None, passed_s: float, patience_s: float) -> str:
    """Why to stop; "" to go on."""
    counted = made.counted
    if len(counted) >= tier.samples and sum(counted) >= tier.sample_s:
        if rel_stderr is None:
            return "samples"
        if _rel_stderr(counted) < rel_stderr:
            return "precision"
    if passed_s <= tier.cap_s or len(made.samples) < tier.least:
        return ""
    if len(counted) >= tier.least:
        return "cap"
    few = len(made.samples) < tier.samples and passed_s < _TRIES * tier.cap_s  # to say how many would count
    may_come = passed_s * tier.least / max(len(counted), 0.5) < patience_s
    return "" if few or may_come else "disturbed"


def _rel_stderr(seconds: list[float]) -> float:
    return statistics.stdev(seconds) / math.sqrt(len(seconds)) / statistics.fmean(seconds)


def calls_for(call_s: float) -> int:
    """How many calls make a sample long enough for the clock."""
    return max(1, min(100_000, round(SHORTEST_SAMPLE_S / max(call_s, 1e-9))))
