"""A PyTorch program on a GPU, with the GPU's own clock, cross-checks of it, sensors and energy."""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

import torch
import torch.profiler

from oneblock.backends._torch.executable import Program, TorchExecutable
from oneblock.backends._torch.gpu_clock import BlockedClock
from oneblock.backends._torch.gpu_crosschecks import by_graph, by_profiler
from oneblock.backends._torch.gpu_sensors import Nvml
from oneblock.backends.api.evidence import DeviceState, Energy, TimerReading

_BUSY_S = 0.1  # of work before sensors are read: clocks rise and power is averaged over some tens of ms
_BATCH_S = 0.05  # of calls that are waited for together while energy is counted
_SAMPLES = 20
_IN_FLIGHT = 8  # calls ahead of the device: it never starves, and a slow one is not given minutes of work


class CudaExecutable(TorchExecutable):
    """A program over torch arrays on a GPU; its time is that of CUDA events on a held stream."""

    def __init__(self, program: Program, device: torch.device) -> None:
        super().__init__(program, device)
        self.api = "hip" if torch.version.hip else "cuda"
        self.event_timer = f"{self.api}_event/blocked"
        self.timer = f"{self.event_timer}, {self.timer}"  # the device's series, then the host's
        self.clock = BlockedClock(torch.cuda)
        self.buffer: torch.Tensor | None = None
        self.peak_before_buffer = 0
        self._nvml: Nvml | None = None
        torch.cuda.reset_peak_memory_stats(device)

    def device_seconds(self, args: MutableMapping[str, Any], calls: int, flush_bytes: int) -> list[float]:
        """The seconds of each call by CUDA events; with 0 bytes to flush, L2 holds what the call before left."""
        flush = self._flushed(flush_bytes).zero_ if flush_bytes else None
        return [self.clock.seconds(lambda: self.call(args), flush) for _ in range(calls)]

    def flush(self, nbytes: int) -> None:
        self._flushed(nbytes).zero_()
        torch.cuda.synchronize(self.device)

    def peak_bytes(self) -> int | None:
        """The most in use at once, without the buffer that flushes L2."""
        mine = 0 if self.buffer is None else self.buffer.numel()
        return max(self.peak_before_buffer, int(torch.cuda.max_memory_allocated(self.device)) - mine)

    def _flushed(self, nbytes: int) -> torch.Tensor:
        """The buffer that is written to flush L2; kept, so that a flush is one kernel and allocates nothing."""
        if self.buffer is None or self.buffer.numel() != nbytes:
            self.peak_before_buffer = self.peak_bytes() or 0
            self.buffer = None  # before the next is made: two would not be told apart in the peak
            self.buffer = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
        return self.buffer

    def state(self, args: MutableMapping[str, Any]) -> DeviceState:
        """What the sensors say while calls are under way: an idle device has other clocks."""
        self._keep_busy(args, _BUSY_S)
        found = self.nvml.state()
        torch.cuda.synchronize(self.device)
        return found

    def timers(self, args: MutableMapping[str, Any]) -> tuple[TimerReading, ...]:
        """By events, the profiler and a graph; the graph last, because a refused capture may leave a mess."""

        def call() -> Any:
            return self.call(args)

        events = TimerReading(self.event_timer, tuple(self.device_seconds(args, _SAMPLES, 0)))
        profiled = by_profiler(self.clock, torch.profiler, call, _SAMPLES)
        return (events, by_graph(self.clock, f"{self.api}_graph", call, _SAMPLES), *profiled)

    def energy(self, args: MutableMapping[str, Any], window_s: float) -> Energy:
        """The energy of calls repeated for so long."""

        def batch() -> int:
            calls = self._keep_busy(args, _BATCH_S)
            torch.cuda.synchronize(self.device)
            return calls

        return self.nvml.energy(batch, window_s)

    def _keep_busy(self, args: MutableMapping[str, Any], seconds: float) -> int:
        """Start calls for so long, and say how many; the last are still under way."""
        start, calls = perf_counter(), 0
        started: deque[Any] = deque()
        while perf_counter() - start < seconds:
            if len(started) == _IN_FLIGHT:
                started.popleft().synchronize()
            self.call(args)
            started.append(torch.cuda.Event())
            started[-1].record()
            calls += 1
        return calls

    @property
    def nvml(self) -> Nvml:
        """The device in NVML, opened once it is asked for."""
        if self._nvml is None:
            hip = torch.version.hip is not None
            uuid = None if hip else getattr(torch.cuda.get_device_properties(self.device), "uuid", None)
            self._nvml = Nvml(None if uuid is None else str(uuid))
        return self._nvml
