"""What lies around the timed calls of inputs never seen before, from the input in hand to the answer in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from oneblock.compilers.api.kind import STRICT

_WAITED, _WAITED_S = 0.1, 1e-4  # of its time a round may have waited for cores; and so long, to wake some threads
ROUNDS = 3  # that had them at least, or nothing is told
Seconds = Annotated[float, Field(ge=0, le=1e9)]


@dataclass(frozen=True, slots=True)
class Around:
    """Raw seconds around one call."""

    __pydantic_config__: ClassVar[Any] = STRICT
    put_s: Seconds  # to copy the input to the device
    put_copy_s: Seconds  # to copy the same bytes on the host, right before
    get_s: Seconds  # to copy the answer from the device, once it was waited for
    get_own_s: Seconds  # of that, the calling thread's own work: the rest was waiting for others
    get_copy_s: Seconds  # to copy the same bytes on the host, right after
    waited_s: Seconds | None  # for a core, all threads together, meanwhile; None where the system does not tell

    def had_cores(self, call_s: float) -> bool:
        """Whether the process had its cores from the input in hand to the answer in hand."""
        return _had_cores(self.waited_s, self.put_s + call_s + self.get_s)


@dataclass(frozen=True, slots=True)
class InHand:
    """What one process saw around its calls."""

    __pydantic_config__: ClassVar[Any] = STRICT
    cold: tuple[Around, ...]  # of each of cold_s
    fresh: tuple[Around, ...]  # of each of fresh_s
    seen_s: tuple[Seconds, ...]  # right after each of fresh_s, of the same input put a second time
    again_s: tuple[Seconds, ...]  # right after that, of the same arguments
    after_waited_s: tuple[Seconds | None, ...]  # for a core, as above, over these two
    window_s: tuple[Seconds, Seconds] | None = None  # of calls, by the worker's clock and its parent's, if they differ

    def rounds(self, fresh_s: Sequence[float]) -> list[tuple[float, Around, float, float]]:
        """(the call, what lay around it, the input seen, the arguments again) of rounds that had their cores."""
        rounds = zip(fresh_s, self.fresh, self.seen_s, self.again_s, self.after_waited_s, strict=True)
        return [
            (call, one, seen, again)
            for call, one, seen, again, waited in rounds
            if one.had_cores(call) and _had_cores(waited, seen + again)
        ]

    def enough(self, fresh_s: Sequence[float]) -> bool:
        """Whether there are so many of them that something can be told."""
        return len(self.rounds(fresh_s)) >= ROUNDS


def _had_cores(waited_s: float | None, took_s: float) -> bool:
    return waited_s is None or waited_s <= _WAITED * took_s + _WAITED_S
