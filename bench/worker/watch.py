"""The watch over a worker: what it says is heard, and its time, its memory and what it writes have bounds.

The bounds hold whatever comes through the pipe, or does not: they are looked at by the clock, between two reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Annotated, Any, BinaryIO

from pydantic import Field, TypeAdapter, ValidationError

from oneblock.bench.worker.events import Event, JobEnd, Phase, Question
from oneblock.bench.worker.examiner import Examiner
from oneblock.compilers.api.process import resident_bytes

Listener = Callable[[Event], None]

_TICK_S = 0.25  # between looks at the clock and the memory: looking costs the measured process 1 % of a core at most
_MOST_SAID_BYTES = 64 * 2**20  # by a worker in all: a record has 32 MiB at most, and events are lines
_MOST_LOGGED_BYTES = 2**30
_FAREWELL_S = 1.0  # to end by itself, after its answer


@dataclass(frozen=True)
class Bounds:
    """What a worker may use."""

    threads: int
    timeout_s: float
    memory_bytes: int


class Stopped(Exception):
    """The run has no more use for what the worker does."""


@dataclass
class WatchResult:
    """What a watch over a worker saw."""

    outcome: Any = None  # as it came; None: it gave no answer
    phase: str = "starting"
    timed_out: bool = False
    over_bytes: int | None = None
    misspoke: str | None = None  # how what it wrote to the pipe or the log is none of a worker's


@dataclass
class _Lines:
    """The lines of what comes in pieces."""

    said_bytes: int = 0
    pending: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> Iterator[bytes]:
        self.said_bytes += len(data)
        *lines, rest = data.split(b"\n")
        for line in lines:
            self.pending += line
            yield bytes(self.pending)
            self.pending.clear()
        self.pending += rest


class Watch:
    """One watch; `until_the_end` is the whole of it."""

    def __init__(
        self, process: subprocess.Popen[bytes], answers: socket.socket, log: BinaryIO, bounds: Bounds, listen: Listener,
        stop: threading.Event | None = None, examiner: Examiner | None = None,
    ) -> None:  # fmt: skip
        self.process, self.answers, self.log, self.bounds, self.listen = process, answers, log, bounds, listen
        self.stop, self.examiner, self.heard_s = stop, examiner, 0.0
        self.deadline = monotonic() + bounds.timeout_s
        self.lines, self.seen, self.done = _Lines(), WatchResult(), False

    def until_the_end(self) -> WatchResult:
        """Hear the worker until it gives its answer, or ends, or goes beyond a bound; Stopped if it is to be left."""
        look_at, open_ = monotonic(), True
        with selectors.DefaultSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            while not self.done:
                if not open_:  # the worker has closed its end: it is gone, or about to be, or goes on in silence
                    self.done = _ended(self.process, _TICK_S)
                elif selector.select(_TICK_S):
                    open_ = self._read()
                else:  # where it is gone a stray of its holds the other end; what it said last may have come meanwhile
                    self.done = self.process.poll() is not None and not selector.select(0)
                if not self.done and monotonic() >= look_at:
                    self._look()
                    look_at = monotonic() + _TICK_S
        return self.seen

    def _read(self) -> bool:
        """Hear what has come; False at the end of the pipe."""
        try:
            data = self.answers.recv(1 << 16)
        except ConnectionResetError:  # it ended without having heard an answer of ours
            return False
        self.heard_s = monotonic()
        for line in self.lines.take(data):
            if not self.done:
                self._hear(line)
        if self.lines.said_bytes > _MOST_SAID_BYTES:
            self._misspoke(f"wrote more than {_MOST_SAID_BYTES >> 20} MiB to the pipe of its answers")
        return bool(data)

    def _hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or "event" not in said:
            return  # a toolchain's own words, which must not end the run
        try:
            event = _events().validate_python(said)
        except ValidationError as error:
            self._misspoke(f"said what no worker says: {first_fault(error)}")
            return
        if isinstance(event, JobEnd):
            self.seen.outcome, self.done = event.outcome, True
            _ended(self.process, _FAREWELL_S)
            return
        if isinstance(event, Question):
            self._answer(event)
            return
        if isinstance(event, Phase):
            self.seen.phase = event.name
        self.listen(event)

    def _answer(self, question: Question) -> None:
        """Without waiting for one that asks and does not listen."""
        if self.examiner is None:
            self._misspoke("asked what nobody answers")
            return
        line = json.dumps(self.examiner.hear(question, self.heard_s)).encode() + b"\n"
        try:
            self.answers.send(line, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._misspoke("asked and did not listen")
        except OSError:
            return  # it is gone: the next read says so

    def _misspoke(self, how: str) -> None:
        self.seen.misspoke, self.done = how, True

    def _look(self) -> None:
        """At the bounds."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        if monotonic() > self.deadline:
            self.seen.timed_out = self.done = True
            return
        used = resident_bytes(self.process.pid)
        if used > self.bounds.memory_bytes:
            self.seen.over_bytes, self.done = used, True
        elif os.fstat(self.log.fileno()).st_size > _MOST_LOGGED_BYTES:
            self._misspoke(f"wrote more than {_MOST_LOGGED_BYTES >> 20} MiB to its log")


@cache
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Field(discriminator="event")])


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, as a part of a sentence."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}"[:300]


def _ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
    return process.poll() is not None
