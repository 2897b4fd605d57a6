"""The canary: a small fixed product and a fixed read, timed around each sample and held against the machine's best.

What the scheduler cannot tell shows in them: another guest on the same core, a clock held back, memory or caches that
others fill. Neither goes through a BLAS pool of several threads, which would itself disturb what is timed.
"""

from __future__ import annotations

import statistics
from time import perf_counter_ns, sleep

import numpy as np

from oneblock.bench.records.disturbance import SLOWER, Pace

_SIDE = 64  # of the matrices: they stay in the first cache, and no BLAS starts a second thread for so few
_PRODUCTS = 20  # 0.15 ms or so
_READ_BYTES = 2**23
_SETTLE_NS = 10_000_000
_LEAST_SHOTS = 5


class Canary:
    """Times the product and the read; `best` is the pace that this machine was seen to keep, None where none is."""

    def __init__(self, best: Pace | None = None) -> None:
        self.best = best
        self._a = np.full((_SIDE, _SIDE), 0.5, np.float32)
        self._out = np.empty_like(self._a)
        self._data = np.ones(_READ_BYTES // 4, np.float32)
        self._products: list[float] = []
        self._reads: list[float] = []

    def settle(self) -> bool:
        """Wait, 10 ms at most, until the product is as quick as ever; whether it became so."""
        self._product()  # what was evicted comes back
        end = perf_counter_ns() + _SETTLE_NS
        while True:
            seconds = self._product()
            self._products.append(seconds)
            if self._quick(seconds):
                return True
            if perf_counter_ns() > end:
                return False
            sleep(0.0002)

    def still(self) -> bool:
        """Whether the product is as quick as ever now, at the second of two tries."""
        self._product()
        seconds = self._product()
        self._products.append(seconds)
        return self._quick(seconds)

    def read(self) -> bool:
        """Read 8 MiB that are in no cache, which the caller has seen to; whether that is as quick as ever."""
        start = perf_counter_ns()
        self._data.max()
        seconds = (perf_counter_ns() - start) * 1e-9
        self._reads.append(seconds)
        return self.best is None or self.best.read_s is None or seconds < 2 * SLOWER * self.best.read_s

    def pace(self) -> Pace | None:
        """What was seen: the product's quickest tenth and the read's median; None before there are enough of them."""
        if len(self._products) < _LEAST_SHOTS:
            return None
        tenth = float(np.percentile(self._products, 10))
        return Pace(tenth, statistics.median(self._reads) if len(self._reads) >= _LEAST_SHOTS else None)

    def _quick(self, seconds: float) -> bool:
        return self.best is None or seconds < SLOWER * self.best.product_s

    def _product(self) -> float:
        start = perf_counter_ns()
        for _ in range(_PRODUCTS):
            np.matmul(self._a, self._a, out=self._out)
        return (perf_counter_ns() - start) * 1e-9
