"""A model on every chip that may serve it: whether it fits, how fast and for how much, and what turns the order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import NamedTuple

from oneblock.bench.cost.device import Device, untried
from oneblock.bench.cost.flips import LOOKED_AT, Flip, flips
from oneblock.bench.cost.memory import Memory
from oneblock.bench.cost.prices import Price, Prices
from oneblock.bench.cost.processor import Processing, Processor
from oneblock.bench.cost.serving import MIDDLE, Assumed, Offer, Service
from oneblock.bench.cost.traffic import Objective, Traffic
from oneblock.bench.silicon.blocks import untimed
from oneblock.compilers.chips.attested import usable_bytes
from oneblock.compilers.chips.chip import Chip
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Model

_TOGETHER = (1, 2, 4, 8)  # devices of a replica
OWN = ("price", "speed", "utilisation")
SHARED = ("prompt", "answer")


class Scratch(NamedTuple):
    """What a compiler takes of a target's memory beside what is kept."""

    nbytes: int
    cell: str  #: whose program it reports it of


@dataclass(frozen=True)
class Asked:
    """What is to be served, and how well."""

    model: Model
    dtype: str
    traffic: Traffic
    objective: Objective
    prices: Prices | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)  #: why a target is left out, whose answers are wrong
    scratch: Mapping[str, Scratch] = field(default_factory=dict)  #: by target, as its compiler reports it
    right: Collection[str] | None = None  #: the targets whose answers are recorded to be right; None: nobody asked

    def price(self, target: str) -> Price | None:
        """Of a device; where records were asked, of targets alone whose answers these say to be right."""
        if self.prices is None or (self.right is not None and target not in self.right):
            return None
        return self.prices.by_target.get(target)


@dataclass(frozen=True)
class Choice:
    """A chip with the number of them that serves the traffic for least, or why it does not."""

    chip: Chip | Processor
    device: Device | Processing | None = None
    offer: Offer | None = None
    service: Service | None = None
    why: str | None = None  #: where there is no service, or one that does not meet the objective

    @property
    def target(self) -> str:
        """Of its chip."""
        return self.chip.target

    @property
    def able(self) -> bool:
        """Whether it serves as it is to."""
        return self.service is not None and self.service.met

    @property
    def joules_per_token(self) -> float | None:
        """Of an answer with its part of the prompt, if all devices take their thermal design power all the time."""
        if self.service is None or self.chip.tdp_w is None:
            return None
        return float(self.service.itl_s[MIDDLE] / self.service.B * self.service.devices * self.chip.tdp_w.value)

    def binds(self) -> tuple[str, float] | None:
        """(the step that takes the largest part of a token's time, that part)."""
        if self.device is None or self.service is None:
            return None
        traffic = self.service.traffic
        return next(iter(self.device.shares(Phase.DECODE, self.service.B, 1, traffic.prompt + traffic.answer).items()))


@dataclass(frozen=True)
class Plan:
    """All choices, those that serve for least first, and where the order of two of them turns."""

    asked: Asked
    choices: tuple[Choice, ...]
    flips: tuple[Flip, ...] = field(default=())

    @property
    def able(self) -> list[Choice]:
        """Those that serve as it was asked."""
        return [one for one in self.choices if one.able]

    @property
    def nearest(self) -> Flip | None:
        """Of the flips of the first choice the one that takes the smallest change."""
        of = [one for one in self.flips if self.able and one.better == self.able[0].target]
        return min(of, key=lambda one: one.far, default=None)


def plan(asked: Asked, among: Sequence[Chip | Processor]) -> Plan:
    """The plan over some chips; those without a price are ranked behind, by devices' time."""
    memory = Memory(asked.model, asked.dtype)
    choices = sorted((_chosen(asked, chip, memory) for chip in among), key=_rank)
    able = {one.target: one for one in choices if one.able and (asked.prices is None or _priced(one))}
    objective = asked.objective
    shared = [*SHARED, *(name for name in ("itl", "ttft") if getattr(objective, f"{name}_s") is not None)]
    own = OWN if asked.prices is not None else ("speed",)
    for one in able.values():
        assert one.offer is not None
        one.offer.prepare([Assumed(**{name: by}).traffic(asked.traffic) for name in SHARED for by in LOOKED_AT])
    known: dict[tuple[str, str, Traffic | float], float] = {}

    @cache
    def cost(target: str, assumption: str, by: float) -> float:
        assumed = Assumed(**{assumption: by})
        # Of prompts and answers whole tokens, which many changes have in common.
        key = target, assumption, assumed.traffic(asked.traffic) if assumption in SHARED else by
        if key not in known:
            offer = able[target].offer
            assert offer is not None
            known[key] = _cost(offer.serve(asked.traffic, asked.objective, assumed))
        return known[key]

    return Plan(asked, tuple(choices), tuple(flips([*able], own, shared, cost)))


def _priced(choice: Choice) -> bool:
    return choice.offer is not None and choice.offer.price is not None


def _cost(service: Service | None) -> float:
    """Of one request: money, or without a price devices' time; infinite where the objective is not met."""
    if service is None or not service.met:
        return inf
    money = service.per_request()
    return float((service.device_s if money is None else money)[MIDDLE])


def _rank(choice: Choice) -> tuple[bool, bool, float, str]:
    service = choice.service
    time = inf if service is None else float(service.itl_s[MIDDLE])
    return not choice.able, not _priced(choice), _cost(service) if choice.able else time, choice.target


def _chosen(asked: Asked, chip: Chip | Processor, memory: Memory) -> Choice:
    """The number of devices that serves for least of those that meet the objective, or comes nearest to it."""
    if chip.target in asked.wrong:
        return Choice(chip, why=asked.wrong[chip.target])
    whys, found = [], []
    price = asked.price(chip.target)
    each_bytes = chip.memory_bytes if isinstance(chip, Processor) else usable_bytes(chip)
    if (took := asked.scratch.get(chip.target)) is not None:
        each_bytes -= took.nbytes
    for devices, device in _clocks(asked, chip):
        if isinstance(device, str):
            whys.append(device)
            continue
        offer = Offer(chip.target, devices, device, memory.room(each_bytes, devices), price)
        service = offer.serve(asked.traffic, asked.objective)
        if service is not None:
            found.append(Choice(chip, device, offer, service))
        else:
            beside = "" if took is None else f", less {took.nbytes / 2**30:.3g} GiB of scratch as of {took.cell}"
            whys.append(f"no sequence fits the memory of {devices} of them{beside}")
    if not found:
        return Choice(chip, why=" and ".join(dict.fromkeys(whys[:1] + whys[-1:])))
    return min(found, key=_rank)


def _clocks(asked: Asked, chip: Chip | Processor) -> Iterator[tuple[int, Device | Processing | str]]:
    """(how many together, what tells their time, or why nothing does)."""
    model, dtype = asked.model, asked.dtype
    if isinstance(chip, Processor):
        of = f"{chip.name} in {dtype}"
        none = f"no trial of {of} is kept: `oneblock trial --cpu RECORDS` makes one of records in that dtype"
        ways: Sequence[Processing | str] = chip.ways(model, dtype) or [none]
        yield from ((1, one) for one in ways)
        return
    for devices in _TOGETHER:
        unsplit = (one for config in {*model.layers} if (one := untimed(config, devices)))
        why = untried(chip, model, dtype, devices) or next(unsplit, None)
        yield devices, why or Device(chip, model, dtype, devices)


def unserved(plan: Plan) -> Iterator[str]:
    """A sentence for each chip that does not serve."""
    for one in plan.choices:
        if one.why is not None:
            yield f"{one.target}: {one.why}"
