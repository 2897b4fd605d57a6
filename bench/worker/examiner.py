"""The parent's side of a measurement: what a backend is not to know beforehand, and a clock that it cannot reach.

The worker asks for each input when a call of it is due, and tells when it has the answer; which answers are kept to be
judged is thought of after that. So an input cannot be prepared for, and a call that will be judged not be told from one
that is only timed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from oneblock.bench.worker.events import Held, NextInput, Question, Window
from oneblock.bench.worker.unseen import Unseen

_KEPT_BYTES = 64 * 2**20  # of answers in all, if that is more than `least`
_MOST_KEPT = 64
_AGAIN = 5  # windows of calls are timed at most: a busy machine stretches some, and a slow clock all
_STRETCH, _DELAY_S = 1.25, 0.005  # a window is this much longer outside at most, and this long to hear of it


@dataclass
class Examiner:
    """What was asked and told, by one worker."""

    least: int  # answers kept, whatever their size
    kept: dict[int, Unseen] = field(default_factory=dict)  # by the place of the answer
    windows: list[tuple[float, float]] = field(default_factory=list)  # (what the worker's clock said, what ours did)
    asked: list[Unseen] = field(default_factory=list)
    _held: int = 0
    _opened_s: float | None = None

    def hear(self, question: Question, at_s: float) -> dict[str, Any]:
        """The answer to a question that came at that time of ours."""
        if isinstance(question, NextInput):
            return self._next(question.twin)
        if isinstance(question, Held):
            return {"place": self._place(question.nbytes)}
        assert isinstance(question, Window)
        return {"again": self._window(question.claimed_s, at_s)}

    def _next(self, twin: bool) -> dict[str, Any]:
        elders = [one.seed for one in self.asked if one.elder is None] if twin else []
        one = Unseen(secrets.randbits(62), secrets.choice(elders) if elders else None)
        self.asked.append(one)
        return {"seed": one.seed, "elder": one.elder}

    def _place(self, nbytes: int) -> int | None:
        """Where the answer to the last input is to be kept: each has the same chance; None to drop it."""
        if not self.asked:
            return None
        self._held += 1
        places = max(self.least, min(_MOST_KEPT, _KEPT_BYTES // max(1, nbytes)))
        place = self._held - 1 if self._held <= places else secrets.randbelow(self._held)
        if place >= places:
            return None
        self.kept[place] = self.asked[-1]
        return place

    def _window(self, claimed_s: float | None, at_s: float) -> bool:
        """Whether a window of calls is to be timed again, since it was longer here."""
        if claimed_s is None or self._opened_s is None:
            self._opened_s = at_s
            return False
        self.windows.append((claimed_s, at_s - self._opened_s))
        self._opened_s = None
        return self.slow_clock is not None and len(self.windows) < _AGAIN

    def shuffled(self) -> list[tuple[int, Unseen]]:
        """Which input each kept answer is to, in the order in which they are to be judged."""
        return sorted(self.kept.items(), key=lambda _: secrets.randbits(62))

    @property
    def slow_clock(self) -> tuple[float, float] | None:
        """The window (theirs, ours) that agrees best, where none agrees; None where one does, or there is none."""
        if any(ours <= _STRETCH * theirs + _DELAY_S for theirs, ours in self.windows):
            return None
        return min(self.windows, key=lambda window: window[1] - _STRETCH * window[0], default=None)
