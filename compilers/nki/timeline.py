"""When each instruction of a run would start and end, by the documented costs: modelled, never measured.

Engines take their instructions in order and run beside each other. An instruction starts when its engine is free, what
it reads is there, and what it overwrites was read. A result can be read `SETTLE` cycles after its engine has gone on.
DMA requests wait in two queues, of those that fetch from HBM and of those that write to it, and share the core's rate;
each lands 1.3 us later. A tensor's memory is taken at its first use and given back after its last, so that a transfer
that runs ahead waits until there is room. What many small pieces cost a transfer is documented in words only, and is
not in here; the pieces are counted instead.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oneblock.compilers.chips.makers.neuron_cores import DMA_LATENCY_S, PSUM_BANKS
from oneblock.compilers.nki.costs import SETTLE
from oneblock.compilers.nki.machine import Event, Machine
from oneblock.compilers.nki.memory import PSUM, SBUF, MemoryRegion, Span, Storage
from oneblock.compilers.nki.occupancy import units

ENGINES = ("tensor", "vector", "scalar", "gpsimd", "dma")
_TRACKS = (*ENGINES[:-1], "dma from HBM", "dma to HBM")  # what one shows does not overlap


@dataclass(frozen=True)
class Slot:
    """An instruction's place in time, in seconds."""

    event: Event
    start_s: float
    busy_s: float  # until its engine can take the next
    end_s: float  # until its result is there


@dataclass(frozen=True)
class Timeline:
    """A run in time."""

    slots: tuple[Slot, ...]

    @property
    def seconds(self) -> float:
        """From the first instruction to the last result."""
        return max((slot.end_s for slot in self.slots), default=0.0)

    def busy_s(self) -> dict[str, float]:
        """Seconds that each engine works."""
        found = dict.fromkeys(ENGINES, 0.0)
        for slot in self.slots:
            found[slot.event.engine] += slot.busy_s
        return found


@dataclass
class _Memory:
    """One kind of memory on the chip, with the times at which what has died gives room."""

    limit: int
    used: int = 0
    dying: list[tuple[float, int]] = field(default_factory=list)

    def room(self, size: int) -> float:
        """When there is room for that much; takes it."""
        at = 0.0
        while self.used + size > self.limit and self.dying:
            died_s, freed = heapq.heappop(self.dying)
            at = max(at, died_s)
            self.used -= freed
        self.used += size
        return at


class _Channel:
    """The bandwidth of a core's DMA: requests of both queues fill the time in which it is idle."""

    def __init__(self) -> None:
        self.busy: list[tuple[float, float]] = []  # in order, apart
        self.queue_s = {False: 0.0, True: 0.0}  # when the last request of each queue was begun

    def serve(self, ready_s: float, length_s: float, *, outward: bool) -> tuple[float, float]:
        """(start, end) of a request that may begin then and takes so long alone."""
        pieces: list[tuple[float, float]] = []
        left = length_s
        for low, high in self._gaps(max(ready_s, self.queue_s[outward])):
            pieces.append((low, min(high, low + left)))
            left -= pieces[-1][1] - low
            if pieces[-1][1] < high:
                break
        self.queue_s[outward] = pieces[0][0]
        self.busy = _joined(sorted([*self.busy, *pieces]))
        return pieces[0][0], pieces[-1][1]

    def _gaps(self, at: float) -> Iterator[tuple[float, float]]:
        """The idle times from a time on."""
        for low, high in self.busy:
            if low > at:
                yield at, low
            at = max(at, high)
        yield at, float("inf")


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, those that touch made one."""
    found = [spans[0]]
    for low, high in spans[1:]:
        if low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


class _Uses:
    """When parts of the tensors were last written and read."""

    def __init__(self) -> None:
        self.written: dict[int, list[tuple[Span, float]]] = defaultdict(list)
        self.read: dict[int, list[tuple[Span, float]]] = defaultdict(list)

    def ready(self, event: Event) -> float:
        """The end of all that an instruction has to wait for."""
        after = [(self.written, span) for span in (*event.reads, *event.writes)]
        after += [(self.read, span) for span in event.writes]
        times = (
            end for uses, span in after for other, end in uses[span.storage.number] if _overlap(span, other)
        )  # fmt: skip
        return max(times, default=0.0)

    def note(self, event: Event, end_s: float) -> None:
        """Take an instruction in."""
        for span in event.writes:
            number = span.storage.number
            for uses in (self.written, self.read):  # what is covered counts no more
                uses[number] = [use for use in uses[number] if not _covers(span, use[0])]
            self.written[number].append((span, end_s))
        for span in event.reads:
            number = span.storage.number
            self.read[number] = [use for use in self.read[number] if not (_covers(span, use[0]) and use[1] <= end_s)]
            self.read[number].append((span, end_s))


def _overlap(a: Span, b: Span) -> bool:
    return a.low < b.high and b.low < a.high and a.top < b.bottom and b.top < a.bottom


def _covers(a: Span, b: Span) -> bool:
    return a.low <= b.low and b.high <= a.high and a.top <= b.top and b.bottom <= a.bottom


def timeline(machine: Machine) -> Timeline:
    """The run of a kernel in time."""
    on, uses = machine.generation, _Uses()
    memories = {SBUF: _Memory(on.sbuf_bytes), PSUM: _Memory(PSUM_BANKS)}
    free, channel = dict.fromkeys(ENGINES, 0.0), _Channel()
    ends: dict[int, float] = defaultdict(float)  # of the tensors' uses so far
    slots = []
    for event in machine.events:
        touched = {span.storage.number: span.storage for span in (*event.reads, *event.writes)}
        ready = max(uses.ready(event), _room(event, touched, memories))
        if event.engine == "dma":
            busy = event.dma_bytes / on.dma_bytes_per_s
            start, done = channel.serve(ready, busy, outward=not event.writes[0].storage.on_chip)
            end = done + DMA_LATENCY_S
        else:
            clock = on.clock_hz[event.engine]
            start, busy = max(free[event.engine], ready), event.cycles / clock
            free[event.engine] = start + busy
            end = start + busy + SETTLE / clock
        uses.note(event, end)
        slots.append(Slot(event, start, busy, end))
        for number, storage in touched.items():
            ends[number] = max(ends[number], end)
            if storage.last == event.index and storage.buffer in memories:
                heapq.heappush(memories[storage.buffer].dying, (ends[number], units(storage)))
    return Timeline(tuple(slots))


def _room(event: Event, touched: dict[int, Storage], memories: dict[MemoryRegion, _Memory]) -> float:
    """When the tensors that an instruction is the first to use have room."""
    new = [storage for storage in touched.values() if storage.first == event.index and storage.buffer in memories]
    return max((memories[storage.buffer].room(units(storage)) for storage in new), default=0.0)


def perfetto(found: Timeline, title: str) -> dict[str, Any]:
    """The run as a trace that ui.perfetto.dev and chrome://tracing read, in microseconds."""
    names = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": i, "args": {"name": engine}}
        for i, engine in enumerate(_TRACKS)
    ]
    process = {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": f"{title} (modelled)"}}
    events = [
        {
            "ph": "X", "name": slot.event.instruction.removeprefix("nisa."), "pid": 1,
            "tid": _TRACKS.index(_track(slot.event)), "ts": slot.start_s * 1e6, "dur": slot.busy_s * 1e6,
            "args": {
                "line": str(slot.event.place), "cycles": slot.event.cycles, "flops": slot.event.flops,
                "dma_bytes": slot.event.dma_bytes, "result_us": slot.end_s * 1e6,
            },
        }
        for slot in found.slots
    ]  # fmt: skip
    return {"traceEvents": [process, *names, *events], "displayTimeUnit": "ns", "otherData": {"kind": "modelled"}}


def _track(event: Event) -> str:
    if event.engine != "dma":
        return event.engine
    return "dma from HBM" if event.writes[0].storage.on_chip else "dma to HBM"
