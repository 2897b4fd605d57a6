"""A record: the outcome of one cell, as one JSON file whose schema is versioned (history.py) and checked on reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from oneblock.backends.api.evidence import DeviceEvidence
from oneblock.bench.cells.cell import Cell, digest
from oneblock.bench.records.disturbance import Disturbance, Spread
from oneblock.bench.records.doubt import Doubt
from oneblock.bench.records.in_hand import InHand
from oneblock.bench.records.machine import MachineIdentity
from oneblock.compilers import Detail, Stage
from oneblock.compilers.api.facts import Facts, Memory
from oneblock.compilers.api.kind import STRICT, Kind, Reported
from oneblock.workloads._workload import StepCost
from oneblock.workloads.answers.verdict import Check

SCHEMA: Literal[9] = 9
Count = Annotated[int, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]  # of memory that was measured
Took = Annotated[float, Field(ge=0, le=1e9)]  # seconds of what may be too short for the clock
Sample = Annotated[float, Field(ge=1e-12, le=1e9)]  # seconds of what is timed, which never take none
Series = Annotated[tuple[Sample, ...], Field(min_length=1)]
Rate = Annotated[float, Field(ge=1, le=1e24)]  # operations or bytes a second
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]  # UTC
LARGEST_NUMBER = 10**12 - 1
Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Status(StrEnum):
    """How a cell ended. A failure is never a number."""

    PASSED = "passed"  # it ran, was right, and was timed
    FAILED = "failed"  # it ran, and was wrong
    OVERFLOW = "overflow"  # it ran, and a value left the range of the dtype, as it does for eager NumPy too
    COMPILED = "compiled"  # for a device that is not here
    INTERPRETED = "interpreted"  # its kernels were run by an interpreter, and were right
    SIMULATED = "simulated"  # the same by the vendor's simulator
    DISTURBED = "disturbed"  # it ran and was right, while something else had the machine: its times are no evidence
    INVALID = "invalid"  # faster than the machine can be, or judged by a check that accepts wrong answers
    UNSUPPORTED = "unsupported"  # it is here and cannot do this
    UNAVAILABLE = "unavailable"  # the toolchain or the device is not here
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"


# Right, and without times by their nature.
WITHOUT_TIMES = (Status.COMPILED, Status.INTERPRETED, Status.SIMULATED)
# It gave an answer, and a wrong one.
WRONG = (Status.FAILED, Status.OVERFLOW)
# What another run of the same cell could not change: such a cell is done.
ANSWERS = frozenset(Status) - {
    Status.DISTURBED, Status.UNAVAILABLE, Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Launch:
    """What one process measured. Raw seconds; statistics are computed when asked for, never stored."""

    __pydantic_config__: ClassVar[Any] = STRICT
    index: Count
    started: Moment
    cold_compile: bool  # whether the compilers' caches were empty
    import_s: Took  # loading the backend and its toolchain
    compile_s: Took
    warmup_s: tuple[Took, ...]
    cold_s: Series  # one call a sample, of an input never seen before, after the caches were flushed
    warm_s: Series  # the same input again and again; each sample is the mean of `calls_per_sample`
    fresh_s: Series  # one call a sample, each of an input never seen before
    calls_per_sample: Count
    rechecked: Count  # how many of the cold and fresh calls had their outputs checked
    timer: str
    flushed_bytes: Bytes
    peak_rss_bytes: Bytes  # of the whole process, toolchain and weights included
    device_peak_bytes: Bytes | None
    load_before: Took | None  # 1-minute load average; None where the system has none
    load_after: Took | None
    compilations_by_calls: Count  # a call must not compile: more than 0 is a doubt
    stopped_by: str  # "samples", "precision" or "cap", of the cold series
    device_s: tuple[Sample, ...] = ()  # as cold, by the device's own clock; empty where it has none
    evidence: DeviceEvidence | None = None  # other timers, clocks, energy; None where the device tells none of it
    in_hand: InHand | None = None  # what lay around the calls; None where nobody looked
    disturbance: Disturbance | None = None  # what else had the machine; None where nobody looked


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """One lowering stage, kept as a file beside the records under its hash."""

    __pydantic_config__: ClassVar[Any] = STRICT
    stage: Stage
    dialect: str
    sha256: Sha256
    bytes: Count


@dataclass(frozen=True, slots=True)
class Costs:
    """What the workload must do at the least, by formula."""

    __pydantic_config__: ClassVar[Any] = STRICT
    flops: Count
    compulsory_bytes: Count  # every input and weight read once, every output written once; of a cache one token
    steps: tuple[StepCost, ...]
    kind: Kind = Kind.MODELLED


@dataclass(frozen=True, slots=True)
class Limits:
    """What this machine was seen to reach at best, or what a maker states; None where that is not known."""

    __pydantic_config__: ClassVar[Any] = STRICT
    flops_per_s: Rate | None  # of a square matrix product in the cell's dtype
    flops_by: str | None  # the backend that reached it, or who states it
    read_bytes_per_s: Rate | None
    kind: Kind = Kind.MEASURED
    spread: Spread | None = None  # between processes of the cell's backend; None where it was never learnt


@dataclass(frozen=True)
class Environment:
    """Where a record was made: machine, with its own identity, and software are identity; two runs may differ in state.

    Of software a record has what its outcome depends on, and nothing else: see dependence.py.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    machine: dict[str, str | int | None]
    software: dict[str, str | None]
    state: dict[str, str | float | int | None]
    machine_identity: MachineIdentity | None = None

    def facts(self) -> dict[str, Any]:
        """What is known of the machine, by name: what must agree before times are compared."""
        return self._facts

    @cached_property
    def _facts(self) -> dict[str, Any]:
        of_it = {} if self.machine_identity is None else self.machine_identity.facts()
        return {name: value for name, value in (self.machine | of_it).items() if value is not None}


@dataclass(frozen=True)
class Record:
    """The outcome of one cell."""

    __pydantic_config__: ClassVar[Any] = STRICT
    schema: Literal[9]
    created: Moment  # by the clock, whatever that says
    cell: Cell
    tier: str
    status: Status
    kind: Kind | None  # what sort of evidence it is; None where there is none
    device: str | None
    reason: str | None  # set whenever the status is not passed
    hint: str | None  # what to do about it
    log_tail: tuple[str, ...]
    check: Check | None
    wrong_answers_rejected: Count
    costs: Costs
    limits: Limits | None
    launches: tuple[Launch, ...]
    doubts: tuple[Doubt, ...]  # why not to trust the numbers; empty if no reason is known
    artifacts: tuple[ArtifactRef, ...]
    environment: Environment
    order_seed: int
    compile_s: Took | None = None  # of a cell that was only compiled; a launch has its own
    facts: Facts | None = None  # read off the compiler's output; None where nothing was compiled or counted
    memory: Memory | None = None  # of a program that does not fit
    model: str | None = None  # that the workload is a part of: "meta-llama/Llama-3.2-1B"
    family: str | None = None  # of models: "llama"
    detail: Detail | None = None  # of the stages that were wanted of it
    disturbance: Disturbance | None = None  # in place of times, of a cell that is disturbed
    reported: Reported | None = None  # whose numbers these are, and of the kind "reported" alone
    number: Number | None = None  # among the records of its folder, by which they are in order; see order.py

    def comparable_keys(self) -> dict[str, Any]:
        """What must agree before this record's numbers are compared with another's."""
        where = {f"machine.{key}": value for key, value in self.environment.facts().items()}
        return self.cell.keys() | {"tier": self.tier, "device": self.device, "timer": self.timers} | where

    @property
    def timers(self) -> str:
        """By which clocks its launches were timed, "perf_counter" say; "" of none."""
        return ",".join(sorted({launch.timer for launch in self.launches}))

    @property
    def between(self) -> Spread | None:
        """How processes of its backend differ on its machine; None where that was not learnt."""
        return None if self.limits is None else self.limits.spread

    @property
    def where(self) -> str:
        """Its tier and machine, for people, with the variables that make another machine of it."""
        with_them = self.environment.facts().get("variables")
        return f"{self.tier} on {self.environment.machine.get('cpu')}" + (f" with {with_them}" if with_them else "")

    def place(self) -> str:
        """A hash of cell, tier and machine: records of one place differ in software and moment; the newest counts."""
        return self._place

    def identity(self) -> str:
        """The name under which a cell counts as done."""
        return self._identity

    @cached_property
    def _place(self) -> str:
        return digest([self.cell.key, self.tier, self.environment.facts()])

    @cached_property
    def _identity(self) -> str:
        return self.cell.identity(self.tier, self.environment.facts(), self.environment.software)

    def samples(self, series: str = "cold") -> list[tuple[float, ...]]:
        """The raw seconds of a series ("cold", "warm", "fresh", "device"), one tuple a process.

        Of "cold" the device's own where it has a clock: the wall's holds the host's waiting, and is kept beside it.
        """
        if series == "cold" and self.launches and all(launch.device_s for launch in self.launches):
            series = "device"
        return [getattr(launch, f"{series}_s") for launch in self.launches]

    def crashed(self, reason: str, hint: str) -> Record:
        """The same cell without anything that was told of it but why."""
        nothing: dict[str, Any] = dict.fromkeys(("kind", "check", "limits", "compile_s", "facts", "memory"))
        emptied: dict[str, Any] = dict.fromkeys(("launches", "doubts", "artifacts"), ())
        return replace(self, status=Status.CRASHED, reason=reason, hint=hint, **nothing, **emptied)

    def with_doubts(self, doubts: list[Doubt]) -> Record:
        """A copy with more doubts."""
        return replace(self, doubts=(*self.doubts, *doubts))
