"""A watch hears all that a worker says, however soon that ends."""

from __future__ import annotations

import socket
import tempfile
from typing import Any

from pydantic_core import to_json

from oneblock.bench.records.record import Status
from oneblock.bench.worker import watch
from oneblock.bench.worker.events import JobEnd
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.watch import Bounds, Watch


class EndsUnseen:
    """A worker that says its last word and is gone while nobody looks: after a wait for it, before it is asked for."""

    pid = 2**22 + 1  # of no process

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            self.line.send(to_json(JobEnd(Outcome(Status.PASSED))) + b"\n")
            self.code = 0
        return self.code

    def wait(self, within_s: float) -> int | None:
        return self.code


def test_an_answer_that_comes_between_two_looks_is_heard(monkeypatch: Any) -> None:
    monkeypatch.setattr(watch, "_TICK_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as log:  # a stray holds the other end open
        seen = Watch(EndsUnseen(theirs), ours, log, Bounds(1, 10.0, 2**30), lambda _: None).until_the_end()
    assert seen.outcome["status"] == Status.PASSED
