"""What a service of one model costs on devices that are alike: batches, times, tokens, money. Kind: modelled.

A replica decodes a batch of B sequences all the time, and reads a prompt whenever one of them has ended:

    turn = B * P(IN) + OUT * D(B, IN + OUT / 2)     seconds in which B requests are served
    itl  = D + B * P / OUT                          a token's, with the prompts that are read between
    ttft = P + D                                    a prompt waits for the step that is under way; no queue

P and D are the modelled times of a prompt and of a step. The batch is the one that serves most of those that fit the
memory and meet the objective. Of a device's time a prompt takes P, and a token of an answer D / B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from oneblock.bench.cost.prices import Price
from oneblock.bench.cost.traffic import Objective, Traffic
from oneblock.workloads._workload import Phase

Array = np.ndarray
MIDDLE, LOW, HIGH = range(3)  # of a modelled time and its range: the axis `range`


class Clock(Protocol):
    """How long calls of a model take on some devices together."""

    @property
    def batches(self) -> Array:
        """(batches,) sizes of a batch, ascending."""

    def prompt_s(self, T: int) -> Array:
        """(range,) of one prompt."""

    def step_s(self, S: int) -> Array:
        """(range, batches) of one token of each sequence, which sees S positions."""

    def prepare(self, phase: Phase, sizes: Iterable[int]) -> None:
        """Be told what will be asked for, T of prompts or S of steps, where that is quicker at once."""


@dataclass(frozen=True)
class Assumed:
    """By how much what is assumed is changed: 1 is as it was asked for."""

    price: float = 1.0
    speed: float = 1.0  #: of the devices, against the model
    utilisation: float = 1.0
    prompt: float = 1.0  #: tokens of a prompt
    answer: float = 1.0
    itl: float = 1.0  #: of the objective
    ttft: float = 1.0

    def traffic(self, given: Traffic) -> Traffic:
        """With prompts and answers as long as is assumed."""
        prompt, answer = round(given.prompt * self.prompt), round(given.answer * self.answer)
        return Traffic(max(1, prompt), max(1, answer), given.rate)

    def objective(self, given: Objective) -> Objective:
        """With the times of tokens as is assumed."""
        first, further = given.ttft_s, given.itl_s
        return Objective(None if first is None else first * self.ttft, None if further is None else further * self.itl)


@dataclass(frozen=True)
class Service:
    """One replica at the batch that serves most, and how many of them the traffic takes."""

    B: int
    met: bool  #: the objective; or else this is what comes nearest
    prompt_s: Array  #: (range,)
    step_s: Array  #: (range,)
    devices: int  #: of a replica
    traffic: Traffic
    per_device_hour: float | None
    replicas_of: Array  #: (range,), since slower devices may take more of them
    used: Array  #: (range,), which part of all replicas' time the traffic takes

    @property
    def replicas(self) -> int:
        """By the middle of the range."""
        return int(self.replicas_of[MIDDLE])

    @property
    def utilisation(self) -> float:
        """Of all replicas by the traffic, by the middle of the range."""
        return float(self.used[MIDDLE])

    @cached_property
    def itl_s(self) -> Array:
        """(range,) of a token on average, with the prompts between."""
        return np.asarray(self.step_s + self.B * self.prompt_s / self.traffic.answer)

    @cached_property
    def ttft_s(self) -> Array:
        """(range,) of the first token."""
        return np.asarray(self.prompt_s + self.step_s)

    @cached_property
    def requests_per_s(self) -> Array:
        """(range,) of one replica; the low end of times is the high end here."""
        turn = self.B * self.prompt_s + self.traffic.answer * self.step_s
        return np.asarray(self.B / turn)

    @cached_property
    def device_s(self) -> Array:
        """(range,) of devices' time that one request takes, all devices of a replica together."""
        return np.asarray(self.devices / self.requests_per_s)

    def tokens_per_s(self) -> Array:
        """(range,) out of one replica."""
        return np.asarray(self.requests_per_s * self.traffic.answer)

    def _cost(self, seconds: Array, *, allocated: bool) -> Array | None:
        """(range,) of money for the time of a replica's devices that is used, or with what stands idle beside it."""
        if self.per_device_hour is None:
            return None
        share = self.used if allocated else 1.0
        return np.asarray(seconds * self.devices * self.per_device_hour / 3600 / share)

    def per_million_in(self, *, allocated: bool = False) -> Array | None:
        """(range,) of money for a million tokens of prompts; None without a price."""
        return self._cost(1e6 * self.prompt_s / self.traffic.prompt, allocated=allocated)

    def per_million_out(self, *, allocated: bool = False) -> Array | None:
        """(range,) of money for a million tokens of answers; None without a price."""
        return self._cost(1e6 * self.step_s / self.B, allocated=allocated)

    def per_request(self) -> Array | None:
        """(range,) of money for one request, idle time paid for; None without a price."""
        return self._cost(self.device_s / self.devices, allocated=True)


@dataclass(frozen=True)
class Offer:
    """Devices of one kind, so many a replica, with what is known of them for one model and dtype."""

    target: str
    devices: int
    clock: Clock
    fitting: Callable[[int], int]  #: how many sequences of so many positions the memory has room for
    price: Price | None = None

    def serve(self, traffic: Traffic, objective: Objective, assumed: Assumed = Assumed()) -> Service | None:
        """None where no sequence fits."""
        traffic, objective = assumed.traffic(traffic), assumed.objective(objective)
        clock = self.clock
        fits = int(np.searchsorted(clock.batches, self.fitting(traffic.prompt + traffic.answer), side="right"))
        if not fits:
            return None
        prompt_s = clock.prompt_s(traffic.prompt) / assumed.speed
        step_s = clock.step_s(_halfway(traffic)) / assumed.speed
        return self._at_best(clock.batches[:fits], prompt_s, step_s[:, :fits], traffic, objective, assumed)

    def prepare(self, traffics: Sequence[Traffic]) -> None:
        """Be told what will be served."""
        self.clock.prepare(Phase.PREFILL, (one.prompt for one in traffics))
        self.clock.prepare(Phase.DECODE, map(_halfway, traffics))

    def _at_best(
        self, B: Array, prompt_s: Array, step_s: Array, traffic: Traffic, objective: Objective, assumed: Assumed
    ) -> Service:
        """By the middle of the range: the batch that serves most of those that meet the objective, or the nearest."""
        P, D = prompt_s[MIDDLE], step_s[MIDDLE]
        itl, ttft = D + B * P / traffic.answer, P + D
        met = objective.allows(ttft, itl)
        rate = B / (B * P + traffic.answer * D)
        best = int(np.argmax(np.where(met, rate, -1.0))) if met.any() else 0  # the smallest has the quickest token
        replicas = used = np.ones(len(prompt_s))
        if traffic.rate is not None:
            each = B[best] / (B[best] * prompt_s + traffic.answer * step_s[:, best])
            replicas = np.ceil(traffic.rate / each * (1 - 1e-12))
            used = traffic.rate / (replicas * each)
        price = None if self.price is None else self.price.per_device_hour * assumed.price
        return Service(
            int(B[best]), bool(met.any()), prompt_s, step_s[:, best], self.devices, traffic, price, replicas,
            np.minimum(used * assumed.utilisation, 1.0),
        )  # fmt: skip


def _halfway(traffic: Traffic) -> int:
    """Positions that a token of an answer sees on average."""
    return traffic.prompt + (traffic.answer + 1) // 2
