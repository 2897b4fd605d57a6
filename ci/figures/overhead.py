"""What the clock itself adds to a call of 100 microseconds (target: 1 %).

The executable is a fake whose `call` spins until 100 microseconds have passed on the same clock, and adds up the time
it really took, so that an interruption in the spin counts for both. It is timed as `_sampling.time_calls` times any:
call by call, as the cold and fresh series do, and in batches that last a millisecond, as the warm series does. The
overhead of a sample is what was measured a call, less what was spent in the call, as a share of 100 microseconds; the
median counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median, quantiles
from time import perf_counter_ns
from typing import Any

import numpy as np
from _figure import Conditions, options, publish

from oneblock.backends.api.backend import Executable
from oneblock.bench.worker.sampling import calls_for, quiet, time_calls

CALL_NS = 100_000
TARGET = 0.01


class Spin:
    """A call of exactly known length."""

    timer = "perf_counter"

    def __init__(self) -> None:
        self.spent_ns = 0

    def put(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return dict(arrays)

    def call(self, args: Mapping[str, Any]) -> None:
        start = perf_counter_ns()
        while (took := perf_counter_ns() - start) < CALL_NS:
            pass
        self.spent_ns += took

    def wait(self, out: None) -> None:
        """Nothing is left to wait for."""

    def get(self, out: None) -> dict[str, np.ndarray]:
        return {}

    def flush(self, nbytes: int) -> None:
        """Nothing is cached."""

    def peak_bytes(self) -> int | None:
        return None


def overheads(calls: int, samples: int) -> list[float]:
    """The overhead of each sample of so many calls, as a share of a call."""
    spin = Spin()
    executable: Executable = spin
    found = []
    for _ in range(samples):
        spin.spent_ns = 0
        measured_s, _ = time_calls(executable, {}, calls)
        found.append((measured_s * 1e9 - spin.spent_ns / calls) / CALL_NS)
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--samples", type=int, default=2000, help="of each kind (default: 2000)")
    args = parser.parse_args()
    conditions = Conditions()
    batch = calls_for(CALL_NS * 1e-9)
    with quiet():
        found = {f"{calls} a sample": overheads(calls, args.samples) for calls in (1, batch)}
    for name, shares in found.items():
        p99 = quantiles(shares, n=100)[-1]
        print(f"{name:12} median {median(shares):.3%} = {median(shares) * CALL_NS:.0f} ns a call, 99 % below {p99:.3%}")
    numbers = {name: {"median": median(s), "percentiles": quantiles(s, n=100)} for name, s in found.items()}
    met = all(median(shares) <= TARGET for shares in found.values())
    publish("overhead", f"overhead on a 100 us call <= {TARGET:.0%}", met, numbers, conditions, args.json)


if __name__ == "__main__":
    main()
