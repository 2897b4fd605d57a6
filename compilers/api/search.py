"""A search for schedules or configurations: what is asked of it, what it tells as it goes on, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

COST_MODELS = ("xgb", "random", "mlp")


class SearchStopped(Exception):
    """A search cannot go on, for the reason that the text gives with what to do; what was measured is kept."""


@dataclass(frozen=True)
class Search:
    """How to search. A backend that ranks all its configurations by a formula reads none of it."""

    trials: int  #: candidates to measure in all, those of earlier runs counted
    seed: int
    cost_model: str
    batch: int = 16  #: candidates between two updates of the cost model
    rpc: str | None = None  #: "host:port/key" of TVM's tracker: candidates are measured there


@dataclass(frozen=True)
class Trial:
    """One candidate: its seconds a call, measured or modelled as the whole search is; or why it has none."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    seconds: float | None
    config: str | None = None  #: "BM=128 BN=128, 8 warps"; None where a candidate has no short name
    why_not: str | None = None


@dataclass(frozen=True)
class TaskState:
    """One function or kernel of the program, and how far its search is."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    name: str
    steps: tuple[str, ...]  #: of the block that it has a part in
    calls: int  #: of it in one run of the program
    flops: float | None  #: of one call
    trials: tuple[Trial, ...]  #: in the order they were tried
    spent_s: float | None = None  #: on its search, earlier runs included; None where nothing was timed
    default: int | None = None  #: which trial is what runs without a search; None where that is none of them

    @property
    def best(self) -> Trial | None:
        """The fastest so far."""
        timed = [trial for trial in self.trials if trial.seconds is not None]
        return min(timed, key=lambda trial: trial.seconds or 0.0, default=None)


Tell = Callable[[TaskState], None]
