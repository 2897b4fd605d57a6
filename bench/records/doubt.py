"""A doubt: why a number may be wrong, as a sentence of its own and by a cause that many cells may share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from oneblock.compilers.api.kind import STRICT


class Cause(StrEnum):
    """What may have made a number wrong."""

    CORES_SHARED = "cores_shared"
    MACHINE_SLOW = "machine_slow"
    CLOCK_MOVES = "clock_moves"
    DEVICE_HELD_BACK = "device_held_back"
    SAMPLES_SPREAD = "samples_spread"
    SAMPLES_LACK = "samples_lack"
    PROCESSES_DIFFER = "processes_differ"
    WORK_UNSEEN = "work_unseen"
    CALLS_COMPILE = "calls_compile"
    TIMERS_DISAGREE = "timers_disagree"
    BELOW_ROOFLINE = "below_roofline"
    BEYOND_CHIPS = "beyond_chips"
    PROPERTIES_ASSUMED = "properties_assumed"
    CACHES_COPIED = "caches_copied"
    UNTOLD = "untold"

    @property
    def words(self) -> str:
        """The same for people, whatever the figures of one cell are."""
        return _WORDS[self]


_WORDS = {
    Cause.CORES_SHARED: "other work shared the cores",
    Cause.MACHINE_SLOW: "the machine itself was slower than at its best: another guest, or its clock",
    Cause.CLOCK_MOVES: "the clock may change, or changed, while it was timed",
    Cause.DEVICE_HELD_BACK: "the device was throttled or ran below its clock",
    Cause.SAMPLES_SPREAD: "the samples of one process spread widely",
    Cause.SAMPLES_LACK: "too few samples for what the tier promises",
    Cause.PROCESSES_DIFFER: "the processes' medians differ",
    Cause.WORK_UNSEEN: "work outside the clock would not have been seen",
    Cause.CALLS_COMPILE: "calls started compilations",
    Cause.TIMERS_DISAGREE: "the device's timers disagree",
    Cause.BELOW_ROOFLINE: "an estimate of time is below the roofline",
    Cause.BEYOND_CHIPS: "by an estimate, a sharding gains more than its chips",
    Cause.PROPERTIES_ASSUMED: "a checkpoint without its config.json: what the preset has was assumed of its model",
    Cause.CACHES_COPIED: "the program gave its caches back whole, and its least bytes count that",
    Cause.UNTOLD: "a record of an older schema, which names no cause",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to trust a cell's numbers."""

    __pydantic_config__: ClassVar[Any] = STRICT
    cause: Cause
    words: str  # with the figures of this cell

    def __str__(self) -> str:
        return self.words
