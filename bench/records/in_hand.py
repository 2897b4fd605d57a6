"""What lies around the timed calls of inputs never seen before, from the input in hand to the answer in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from oneblock.compilers.api.kind import STRICT

Seconds = Annotated[float, Field(ge=0, le=1e9)]


@dataclass(frozen=True)
class Around:
    """Raw seconds around one call."""

    __pydantic_config__: ClassVar[Any] = STRICT
    put_s: Seconds  # to copy the input to the device
    put_copy_s: Seconds  # to copy the same bytes on the host, right before
    get_s: Seconds  # to copy the answer from the device, once it was waited for
    get_own_s: Seconds  # of that, the calling thread's own work: the rest was waiting for others
    get_copy_s: Seconds  # to copy the same bytes on the host, right after
    waited_s: Seconds | None  # for a core, all threads together, meanwhile; None where the system does not tell


@dataclass(frozen=True)
class InHand:
    """What one process saw around its calls."""

    __pydantic_config__: ClassVar[Any] = STRICT
    cold: tuple[Around, ...]  # of each of cold_s
    fresh: tuple[Around, ...]  # of each of fresh_s
    seen_s: tuple[Seconds, ...]  # right after each of fresh_s, of the same input put a second time
    again_s: tuple[Seconds, ...]  # right after that, of the same arguments
    after_waited_s: tuple[Seconds | None, ...]  # for a core, as above, over these two
    window_s: tuple[Seconds, Seconds] | None = None  # of calls, by the worker's clock and its parent's, if they differ
