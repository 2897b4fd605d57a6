"""The clock: warm-up until it settles, then three series of raw seconds of one executable.

cold    one call a sample, after the caches were flushed: what a call costs between others. The primary series.
warm    the same input again and again, batched until a sample lasts a millisecond.
fresh   one call a sample, each of an input never seen before: a cache of results shows against warm.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from time import perf_counter_ns
from typing import Any

from oneblock.backends.api.backend import Executable
from oneblock.bench.cells.tiers import Tier

SHORTEST_SAMPLE_S = 1e-3


def time_calls(executable: Executable, args: Mapping[str, Any], calls: int = 1) -> tuple[float, Any]:
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


def warm_up(executable: Executable, args: Mapping[str, Any], tier: Tier) -> list[float]:
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


def series(sample: Callable[[], float], tier: Tier, rel_stderr: float | None = None) -> tuple[list[float], str]:
    """(samples, why it stopped): "samples" for the tier's count, "precision" for a standard error, or "cap".

    The cap counts the time in `sample` as a whole, what it does before the clock starts included, and lets at least
    `tier.least` samples through.
    """
    seconds: list[float] = []
    start = perf_counter_ns()
    while True:
        seconds.append(sample())
        enough = len(seconds) >= tier.samples and sum(seconds) >= tier.sample_s
        if enough and rel_stderr is None:
            return seconds, "samples"
        if enough and rel_stderr is not None and _rel_stderr(seconds) < rel_stderr:
            return seconds, "precision"
        if len(seconds) >= tier.least and (perf_counter_ns() - start) * 1e-9 > tier.cap_s:
            return seconds, "cap"


def _rel_stderr(seconds: list[float]) -> float:
    return statistics.stdev(seconds) / math.sqrt(len(seconds)) / statistics.fmean(seconds)


def calls_for(call_s: float) -> int:
    """How many calls make a sample long enough for the clock."""
    return max(1, min(100_000, round(SHORTEST_SAMPLE_S / max(call_s, 1e-9))))
