"""The statistics of a scheduled HLO module, joined to the steps of the block."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from oneblock.compilers.api.facts import Collective, StepFacts
from oneblock.compilers.api.traffic import Traffic, Transfer
from oneblock.compilers.hlo.flops import flops
from oneblock.compilers.hlo.parser import Computation, Instruction, Module, arrays
from oneblock.compilers.hlo.prefetch import prefetches
from oneblock.compilers.hlo.steps import NO_OPERATION, attribute, deep, scheduled, step_in
from oneblock.compilers.hlo.traffic import moved

_OVERFLOW = 2**62  # XLA:TPU writes the largest 64-bit number where its cost model gives up
_KERNEL = '"tpu_custom_call"'  # of one's own
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all", "ragged-all-to-all")


@dataclass(frozen=True)
class Counts:
    """What a module's text says; a sum over loops whose trips are unknown is None, and `caveats` says so."""

    flops: float | None
    traffic: Traffic | None
    cycles: float | None
    operations: dict[str, int]
    fusions: dict[str, int]
    custom_calls: dict[str, int]
    attributed: float | None
    attributed_by_name: float | None
    steps: tuple[StepFacts, ...]
    collectives: tuple[Collective, ...]
    step_of: dict[str, str | None]  # by operation
    trips_of: dict[str, int | None]  # how often it runs
    cycles_of: dict[str, int]  # as XLA's cost model estimates one run of it
    caveats: tuple[str, ...]

    @property
    def hbm_bytes(self) -> float | None:
        """Of a call in the steady state."""
        return None if self.traffic is None else float(self.traffic.steady_bytes)


@dataclass
class _Sum:
    operations: int = 0
    flops: float = 0.0
    hbm_bytes: float = 0.0
    cycles: float = 0.0
    timed: int = 0  # operations that the compiler gave an estimate
    overflowed: int = 0  # those of which its estimate is no number
    unseen: int = 0  # kernels of one's own that it has no cycles of
    undeclared: int = 0  # those whose author states no FLOPs

    def whole_flops(self) -> float | None:
        """The FLOPs, if nothing is left out."""
        return None if self.undeclared else self.flops

    def whole_cycles(self) -> float | None:
        """The cycles, if the compiler gave any and left nothing out."""
        return self.cycles if self.timed and not self.overflowed + self.unseen else None


def count(module: Module, steps: Sequence[str]) -> Counts:
    """Walk what runs, in its order, and sum it up."""
    walk, unknown = _Walk(module, steps), False
    for computation, trips in scheduled(module):
        unknown |= trips is None
        walk.through(computation, trips)
    return walk.counts(unknown)


class _Walk:
    """What is counted on the way through a module."""

    def __init__(self, module: Module, steps: Sequence[str]) -> None:
        self.module, self.steps = module, steps
        self.opcodes, self.fusions, self.calls = Counter[str](), Counter[str](), Counter[str]()
        self.by_step: dict[str | None, _Sum] = defaultdict(_Sum)
        self.exchanged: list[Collective] = []
        self.step_of: dict[str, str | None] = {}
        self.trips_of: dict[str, int | None] = {}
        self.cycles_of: dict[str, int] = {}
        self.transfers: list[Transfer] = []
        self.prefetches = prefetches(module.entry)
        self.named = 0

    def through(self, computation: Computation, trips: int | None) -> None:
        """Count one computation that runs so often; once where that is unknown."""
        steps_here = attribute(computation, self.module, self.steps)
        for instruction in computation.instructions:
            if instruction.opcode in NO_OPERATION:
                continue
            step, by_name = steps_here[instruction.name]
            self.step_of[instruction.name], self.trips_of[instruction.name] = step, trips
            self.named += by_name
            self.opcodes[instruction.opcode] += 1
            if instruction.opcode == "fusion":
                self.fusions[instruction.attributes.get("kind", "?")] += 1
            if instruction.opcode == "custom-call":
                self.calls[instruction.attributes["custom_call_target"].strip('"')] += 1
            self.add(step, instruction, computation, trips or 1)
            self.exchanged += _collectives(instruction, self.module, step)

    def add(self, step: str | None, instruction: Instruction, computation: Computation, trips: int) -> None:
        """One operation to its step's sum; the FLOPs inside a fusion go to the steps that wrote them."""
        to = self.by_step[step]
        to.operations += 1
        to.flops += trips * flops(instruction, computation.by_name)
        for one, of in deep(instruction, self.module):
            self.by_step[step_in(one.op_name, self.steps) or step].flops += trips * flops(one, of.by_name)
        for found in moved(instruction, computation, self.module, self.prefetches):
            array, direction, nbytes, reason, first_only = found
            transfer = Transfer(array, direction, instruction.name, step, nbytes, trips, reason, first_only)
            self.transfers.append(transfer)
            to.hbm_bytes += 0 if first_only else transfer.total_bytes
        cycles = _cycles(instruction.config)
        own = instruction.attributes.get("custom_call_target") == _KERNEL
        to.unseen += own and cycles is None
        to.undeclared += own and "flops" not in instruction.declared
        if cycles is not None:
            to.cycles += trips * cycles
            to.timed += 1
            to.overflowed += cycles >= _OVERFLOW
            if cycles < _OVERFLOW:
                self.cycles_of[instruction.name] = cycles

    def counts(self, unknown: bool) -> Counts:
        """The sums; None where a loop runs an unknown number of times or the compiler gave up."""
        sums = self.by_step.values()
        total, overflowed = sum(one.operations for one in sums), sum(one.overflowed for one in sums)
        unseen, undeclared = sum(one.unseen for one in sums), sum(one.undeclared for one in sums)
        caveats = []
        if unknown:
            caveats.append("a loop's number of trips is unknown, so that FLOPs, bytes and cycles cannot be summed")
        if overflowed:
            caveats.append(f"XLA's cost model gave up on {overflowed} operations: its cycles cannot be summed")
        if unseen:
            caveats.append(
                f"XLA's cost model has no cycles of {unseen} kernels of one's own: its sum would leave them out"
            )
        if undeclared:
            caveats.append(
                f"{undeclared} kernels of one's own declare no FLOPs: neither their step's nor all can be summed"
            )
        if kernels := self.calls[_KERNEL.strip('"')] - undeclared:
            caveats.append(f"{kernels} kernels of one's own: their FLOPs, and bytes read again, are as they declare")
        traffic = None if unknown else Traffic("HLO", tuple(self.transfers))
        if traffic is not None and (copied := traffic.first_call_bytes - traffic.steady_bytes):
            caveats.append(
                f"HBM traffic is of a call after another with the same weights: the first copies {copied / 1e6:.4g} MB "
                "more into VMEM, which those after it find there (XLA's cross-program prefetch)"
            )
        no_cycles = unknown or overflowed or unseen or not any(one.timed for one in sums)
        return Counts(
            flops=None if unknown or undeclared else sum(one.flops for one in sums),
            traffic=traffic,
            cycles=None if no_cycles else sum(one.cycles for one in sums),
            operations=dict(self.opcodes.most_common()),
            fusions=dict(self.fusions.most_common()),
            custom_calls=dict(self.calls.most_common()),
            attributed=1 - self.by_step[None].operations / total if total else None,
            attributed_by_name=self.named / total if total else None,
            steps=() if unknown else tuple(_steps(self.by_step, self.steps)),
            collectives=tuple(self.exchanged),
            step_of=self.step_of,
            trips_of=self.trips_of,
            cycles_of=self.cycles_of,
            caveats=tuple(caveats),
        )


def _cycles(config: dict[str, Any]) -> int | None:
    window = config.get("window_config")
    return int(window["estimated_cycles"]) if isinstance(window, dict) and "estimated_cycles" in window else None


def _steps(by_step: dict[str | None, _Sum], steps: Sequence[str]) -> list[StepFacts]:
    order = [step for step in (*steps, None) if by_step[step].operations or by_step[step].flops]
    return [
        StepFacts(step, s.operations, s.whole_flops(), s.hbm_bytes, s.whole_cycles())
        for step in order
        for s in [by_step[step]]
    ]


def _collectives(instruction: Instruction, module: Module, step: str | None) -> list[Collective]:
    """The exchanges in one scheduled operation; one that is started and waited for counts where it starts."""
    found = [instruction, *(one for one, _ in deep(instruction, module))]
    return [_collective(one, step) for one in found if one.opcode.removesuffix("-start") in COLLECTIVES]


def _collective(instruction: Instruction, step: str | None) -> Collective:
    result = max(arrays(instruction.shape), key=lambda a: a.bytes)
    config = instruction.config.get("collective_algorithm_config", {})
    channel = instruction.attributes.get("channel_id")
    return Collective(
        kind=instruction.opcode.removesuffix("-start"),
        dtype=result.dtype,
        bytes=sum(a.bytes for a in arrays(instruction.shape)) if instruction.opcode in COLLECTIVES else result.bytes,
        channel=None if channel is None else int(channel),
        group_size=_group_size(instruction.attributes.get("replica_groups", "")),
        algorithm=config.get("strategy") or config.get("emitter"),
        step=step,
    )


def _group_size(groups: str) -> int | None:
    """Of the three ways to write groups: `{{0,1},{2,3}}`, `[2,2]<=[4]` and `mesh['a'=2,'b'=2] {'b'}`; each gives 2."""
    if groups.startswith("mesh"):
        axes, _, chosen = groups.removeprefix("mesh").strip("[ ").partition("]")
        sizes = dict(axis.split("=") for axis in axes.split(","))
        return prod(int(sizes[name.strip()]) for name in chosen.strip(" {}").split(","))
    if groups.startswith("["):
        return int(groups[1:].partition("]")[0].split(",")[-1])
    first = groups.strip("{}").partition("}")[0]
    return len(first.split(",")) if first else None
