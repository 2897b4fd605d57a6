"""Other timers of the same call: a replayed CUDA graph, and the profiler's own record of each kernel.

PyTorch's modules are given, not imported, as in `clock.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from oneblock.backends._torch.gpu_clock import BlockedClock, StreamNotHeldError
from oneblock.backends.api.evidence import KERNELS, TimerReading

SPAN = "profiler/span"
_HOLDS = "spin_kernel"  # what the sleeping kernel is called in a trace


def by_graph(clock: BlockedClock, name: str, call: Callable[[], Any], samples: int) -> TimerReading:
    """A call captured as a graph and replayed: no launches from Python. What a capture refuses has no reading."""
    cuda = clock.cuda
    try:
        graph = cuda.CUDAGraph()
        # A capture that fails leaves its own stream current (torch.cuda.graph, 2.13); the outer context puts ours back.
        with cuda.stream(cuda.current_stream()), cuda.graph(graph):
            call()
        graph.replay()  # the first uploads it
    except RuntimeError as error:
        return TimerReading(name, (), f"the capture was refused: {_first_line(error)}")
    try:
        return TimerReading(name, tuple(clock.seconds(graph.replay) for _ in range(samples)))
    except StreamNotHeldError as error:
        return TimerReading(name, (), f"the replay was not timed: {error}")


def by_profiler(
    clock: BlockedClock, profiler: Any, call: Callable[[], Any], samples: int
) -> tuple[TimerReading, TimerReading]:
    """From a call's first kernel to its last, and the sum of its kernels, which leaves out what passes between them."""
    try:
        clock.seconds(call)  # so that nothing but calls is in the trace: a clock's first use measures its sleep
        before = len(clock.attempts)
        with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as profile:
            for _ in range(samples):
                clock.seconds(call)
        parts = split_at_holds(profile.events())
    except RuntimeError as error:
        note = f"the profiler failed: {_first_line(error)}"
        return TimerReading(SPAN, (), note), TimerReading(KERNELS, (), note)
    attempts = clock.attempts[before:]
    if len(parts) != len(attempts) or not all(parts):
        note = f"the profiler's trace shows the kernels of {sum(map(bool, parts))} calls of {len(attempts)}"
        return TimerReading(SPAN, (), note), TimerReading(KERNELS, (), note)
    kept = [part for part, in_time in zip(parts, attempts, strict=True) if in_time]
    spans = (max(end for _, end in part) - part[0][0] for part in kept)
    sums = (sum(end - start for start, end in part) for part in kept)
    return TimerReading(SPAN, tuple(spans)), TimerReading(KERNELS, tuple(sums))


def split_at_holds(events: Iterable[Any]) -> list[list[tuple[float, float]]]:
    """The (start, end) seconds of a trace's kernels in order, one list for each hold of the stream."""
    on_device = [e for e in events if e.device_type.name == "CUDA" and not getattr(e, "is_user_annotation", False)]
    parts: list[list[tuple[float, float]]] = []
    for event in sorted(on_device, key=lambda e: e.time_range.start):
        if _HOLDS in event.name:
            parts.append([])
        elif parts:
            parts[-1].append((event.time_range.start * 1e-6, event.time_range.end * 1e-6))
    return parts


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
