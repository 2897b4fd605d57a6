"""What a worker says while it works, and at its end: each event a dataclass, sent as one line of JSON.

The parent reads them as a stranger's: a plug-in shares the pipe, and may write anything to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from oneblock.bench.cells.probe import Declared, PlatformProbe
from oneblock.compilers.api.kind import Kind

_STRICT = {"extra": "forbid", "allow_inf_nan": False}


def _printable(words: str) -> str:
    if not words.isprintable():
        raise ValueError("expected printable characters alone")
    return words


Words = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Phase:
    """What it does from now on."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: Words
    kind: Kind | None = None  # of the numbers of a search
    event: Literal["phase"] = "phase"


@dataclass(frozen=True)
class Probing:
    """Which backend it asks next, so that one that kills the process is known by name."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    backend: Words
    event: Literal["probing"] = "probing"


@dataclass(frozen=True)
class Declaration:
    """What a third party's backend declares."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    declared: Declared
    event: Literal["declaration"] = "declaration"


@dataclass(frozen=True)
class ProbeRow:
    """What a backend has for a platform."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    row: PlatformProbe
    event: Literal["probed"] = "probed"


@dataclass(frozen=True)
class Task:
    """How far the search of one function is."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    name: Words
    calls: Count  # of it in the program
    flops: Annotated[float, Field(ge=0)] | None
    trials: Count
    failed: Count
    best_s: Annotated[float, Field(gt=0)] | None
    ranked: bool  # there are so many ways, and all are tried
    event: Literal["task"] = "task"


@dataclass(frozen=True)
class Trying:
    """Which passes are off in the next run of a bisection."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    what: Words
    off: tuple[Words, ...]
    event: Literal["trying"] = "trying"


@dataclass(frozen=True)
class Observation:
    """An observation of a search for a pass: what one run with some passes off gave."""

    ran: bool
    value: float | None = None  # the error, or the count; None where an answer is not a number
    passed: bool | None = None  # of the check; None where only a count is looked at
    why: str | None = None  # why it is not right, or did not run


@dataclass(frozen=True)
class PassesTried:
    """What came of it."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    off: tuple[Words, ...]
    seen: Observation
    event: Literal["tried"] = "tried"


@dataclass(frozen=True)
class NextInput:
    """It asks for an input that it has never seen: {"seed": ..., "elder": ...} is the answer."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    twin: bool  # whether as the twin of one before
    event: Literal["next_input"] = "next_input"


@dataclass(frozen=True)
class Held:
    """It has the answer to that input in hand: {"place": ...} says where to keep it, None to drop it."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    nbytes: Count
    event: Literal["held"] = "held"


@dataclass(frozen=True)
class Window:
    """It begins to time calls, or has just ended: {"again": ...} says whether to do so again."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    claimed_s: Annotated[float, Field(ge=0)] | None  # by its own clock; None at the beginning
    event: Literal["window"] = "window"


@dataclass(frozen=True)
class JobEnd:
    """How the job ended: said once, and last."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    outcome: Any  # read as what its job promises
    event: Literal["outcome"] = "outcome"


Question = NextInput | Held | Window  # to which the parent answers with a line of JSON
Event = Phase | Probing | Declaration | ProbeRow | Task | Trying | PassesTried | Question | JobEnd
