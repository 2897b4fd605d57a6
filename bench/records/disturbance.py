"""How far times of a machine can be trusted: what else had it meanwhile, its pace, and how processes on it differ."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from oneblock.compilers.api.kind import STRICT

Seconds = Annotated[float, Field(ge=1e-12, le=1e9)]
Cores = Annotated[float, Field(ge=0, le=1e6)]
Count = Annotated[int, Field(ge=0)]
SLOWER = 1.25  # than at its best by so much: a canary beside which a machine does not do what it can


def ignored() -> bool:
    """Whether nobody is to look at what disturbs: ONEBLOCK_DISTURBANCE=ignore, for tests of everything else."""
    return os.environ.get("ONEBLOCK_DISTURBANCE") == "ignore"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the canary takes: a fixed product that stays in a core's caches, and a fixed read of memory."""

    __pydantic_config__: ClassVar[Any] = STRICT
    product_s: Seconds
    read_s: Seconds | None  # None where caches were not flushed before it, as beside a GPU


@dataclass(frozen=True, slots=True)
class Spread:
    """By how much the medians of processes that time the same differ on a machine, learnt by timing the same again."""

    __pydantic_config__: ClassVar[Any] = STRICT
    share: Annotated[float, Field(ge=1e-6, le=10)]  # the standard deviation of their logarithms
    degrees: Annotated[int, Field(ge=1)]  # of freedom, with which it is known


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Of one process: which samples count, which do not and why, and who had the machine meanwhile."""

    __pydantic_config__: ClassVar[Any] = STRICT
    # "canary": the system does not tell of waiting threads; "nothing": ONEBLOCK_DISTURBANCE=ignore, and nobody looked.
    seen_by: Literal["run delay and canary", "canary", "nothing"]
    clean: Count  # samples of the primary series
    waited_s: tuple[Seconds, ...] = ()  # raw: of samples in which threads waited for a core that something else had
    slowed_s: tuple[Seconds, ...] = ()  # raw: of samples beside which the canary was slow
    others_cores: Cores | None = None  # that other processes had, on average; None where nobody tells
    stolen_cores: Cores | None = None  # that the hypervisor kept back
    throttled_share: Cores | None = None  # of the time in which a quota stopped this process
    pace: Pace | None = None  # of the canary meanwhile
    best: Pace | None = None  # that this machine was seen to keep; None: it was not known

    @property
    def unwatched(self) -> bool:
        """Whether nobody looked, since that was asked for."""
        return self.seen_by == "nothing"

    @property
    def dirty(self) -> int:
        """How many samples do not count."""
        return len(self.waited_s) + len(self.slowed_s)

    @property
    def seen(self) -> str:
        """Who disturbed, for people: "other processes had 1.0 cores"."""
        told = [
            f"{what} {had:.1f} cores" for what, had in
            (("other processes had", self.others_cores), ("the hypervisor kept back", self.stolen_cores))
            if had is not None and had >= 0.05
        ]  # fmt: skip
        if self.throttled_share:
            told.append(f"a quota stopped this process for {self.throttled_share:.0%} of the time")
        if self.pace is not None and self.best is not None:
            product = self.pace.product_s / self.best.product_s
            told += [f"a small product took {product:.1f}x its best"] if product >= 1.1 else []
            if self.pace.read_s is not None and self.best.read_s is not None:
                read = self.pace.read_s / self.best.read_s
                told += [f"a read of memory took {read:.1f}x its best"] if read >= 1.1 else []
        return ", ".join(told) or "nothing else was seen"
