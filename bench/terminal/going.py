"""What is going on, for whoever waits: a line that is redrawn on a terminal, and a log that is not silent for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from rich.text import Text

from oneblock.bench.format.out import note
from oneblock.bench.format.units import duration
from oneblock.bench.terminal.screen import console

EVERY_S = 20.0  # a log in which nothing is said for longer is taken for one of a command that hangs


class Heartbeat:
    """Lines for a log: what there is to say, and where that is nothing for a while what is being done."""

    def __init__(
        self, doing: Callable[[], str], *, every_s: float | None = None, clock: Callable[[], float] = monotonic,
        say: Callable[[str], None] = note,
    ) -> None:  # fmt: skip
        self.doing, self.clock, self.say = doing, clock, say
        self.every_s = EVERY_S if every_s is None else every_s
        self.began = self.said = clock()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beats, daemon=True)

    def now(self, what: str) -> None:
        """What is being done from here on; said when it is time."""
        self.doing = lambda: what

    def line(self, sentence: str) -> None:
        """Say something at once."""
        with self._lock:
            self.say(sentence)
            self.said = self.clock()

    def beat(self) -> None:
        """Say what is being done, if nothing was said for a while."""
        if self.clock() - self.said >= self.every_s:
            self.line(f"{self.doing()} ({self.so_far} so far)")

    @property
    def so_far(self) -> str:
        """How long it has taken."""
        return duration(self.clock() - self.began)

    def _beats(self) -> None:
        while not self._over.wait(self.every_s / 4):
            self.beat()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def going_on(doing: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """What is being done, told by what this gives; on standard error, and not at all where `quiet`."""
    out = console(stderr=True, quiet=quiet)
    if quiet:
        yield lambda _: None
    elif out.is_terminal:
        with out.status(doing) as status:
            yield lambda what: status.update(Text(what))
    else:
        with Heartbeat(lambda: doing) as log:
            yield log.now
