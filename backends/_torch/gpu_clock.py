"""The device's own time: a stream is held by a sleeping kernel until everything to be timed is enqueued behind it.

Without that, a device that is faster than the host waits between two kernels for the next launch, and events measure
that wait. CUDA's module is given to the clock, not imported, so that its rules are tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CALIBRATION_CYCLES = 10_000_000  # some milliseconds
_FIRST_HOLD_S = 1e-3
_LONGEST_HOLD_S = 1.0
_TRIES = 6  # each holds four times as long as the one before: 1 ms to 1 s


class StreamNotHeldError(RuntimeError):
    """Work was not enqueued before the device was free to start it, so events would have timed the host."""


class BlockedClock:
    """Times work on the current stream by two events, enqueued together with it while the stream is held."""

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda  # torch.cuda
        self.hold_s = _FIRST_HOLD_S  # grows to what enqueuing takes, and stays
        self.attempts: list[bool] = []  # of each hold so far: was everything enqueued before it ended?
        self._cycles_per_s: float | None = None

    def seconds(self, work: Callable[[], Any], before: Callable[[], Any] | None = None) -> float:
        """The device's seconds of `work`, started right after `before`, whose own time is left out."""
        held_for_s = 0.0
        for _ in range(_TRIES):
            took = self._attempt(work, before)
            if took is not None:
                return took
            held_for_s = self.hold_s
            self.hold_s = min(_LONGEST_HOLD_S, 4 * self.hold_s)
        raise StreamNotHeldError(
            f"expected the call to be enqueued while the stream was held, up to {held_for_s:.3g} s, and it was not in "
            f"{_TRIES} tries: it waits for the device (e.g. .item()), starts more kernels than a stream queues, or the "
            f"host is overloaded; a call must only start work, so remove the wait, or run on an idle host"
        )

    def _attempt(self, work: Callable[[], Any], before: Callable[[], Any] | None) -> float | None:
        """The seconds of one try; None where the hold ended first."""
        cycles = int(self.hold_s * self._rate())
        self.cuda.synchronize()
        released, start, end = (self.cuda.Event(enable_timing=True) for _ in range(3))
        self.cuda._sleep(cycles)
        released.record()
        if before is not None:
            before()
        start.record()
        work()
        end.record()
        in_time = not released.query()  # asked after the last was enqueued: complete means the device ran ahead of us
        self.cuda.synchronize()
        self.attempts.append(in_time)
        return float(start.elapsed_time(end)) * 1e-3 if in_time else None

    def _rate(self) -> float:
        """Cycles of the sleeping kernel in a second; its clock may rise later, which the check of each hold notices."""
        if self._cycles_per_s is None:
            for _ in range(2):  # the first loads the kernel
                start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                self.cuda._sleep(_CALIBRATION_CYCLES)
                end.record()
                self.cuda.synchronize()
                took_ms = float(start.elapsed_time(end))
            if took_ms <= 0:
                raise StreamNotHeldError(
                    f"expected a sleep of {_CALIBRATION_CYCLES} cycles to take some ms, and it took {took_ms:g}: this "
                    f"device's stream cannot be held; time it on another"
                )
            self._cycles_per_s = _CALIBRATION_CYCLES / (took_ms * 1e-3)
        return self._cycles_per_s
