"""What a compiler's output says of a program: counts and estimates, as plain data that a record keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from oneblock.compilers.api.call import Call
from oneblock.compilers.api.calls import AnyCall
from oneblock.compilers.api.kind import STRICT, Kind
from oneblock.compilers.api.traffic import Traffic

C = TypeVar("C", bound=Call)


@dataclass(frozen=True)
class StepFacts:
    """What the operations of one step come to; `step` is None for those mapped to none."""

    __pydantic_config__: ClassVar[Any] = STRICT
    step: str | None
    operations: int  #: scheduled, each counted once
    flops: float | None  #: None of one with a kernel of one's own whose author states none
    hbm_bytes: float
    cycles: float | None  #: as estimated for each operation by XLA's own cost model


@dataclass(frozen=True)
class Collective:
    """One exchange between devices."""

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: str  #: "all-reduce"
    dtype: str
    bytes: int  #: of the result on one device
    channel: int | None
    group_size: int | None  #: how many devices take part in one group
    algorithm: str | None  #: the strategy that the compiler chose for the interconnect
    step: str | None


@dataclass(frozen=True)
class Estimate:
    """How long the program would take on the target, by one method. Never a measurement."""

    __pydantic_config__: ClassVar[Any] = STRICT
    name: str  #: "xla", "hlo", "llo"; of GPUs "xla-triton", "xla-cublas"; of Neuron "timeline"
    seconds: float | None  #: None: this method has no answer, for the reason in `how`
    how: str
    kind: Kind = Kind.COMPILED  #: or MODELLED, where it is a formula of the specification


@dataclass(frozen=True)
class Buffer:
    """An allocation that the compiler names when it runs out of memory."""

    __pydantic_config__: ClassVar[Any] = STRICT
    bytes: int
    what: str


@dataclass(frozen=True)
class Memory:
    """What a program that does not fit needs, and what the target has, in bytes."""

    __pydantic_config__: ClassVar[Any] = STRICT
    space: str  #: "hbm", "vmem"
    needed_bytes: int | None
    available_bytes: int | None
    largest: tuple[Buffer, ...]


@dataclass(frozen=True)
class Facts:
    """Everything countable of one compiled program. A count that its loops make unknown is None, and said why."""

    __pydantic_config__: ClassVar[Any] = STRICT
    flops: float | None = None  #: counted from the operations' shapes, loops multiplied by their trips
    compiler_flops: float | None = None  #: as the compiler's own cost analysis has it
    hbm_bytes: float | None = None  #: read and written in HBM by a call in the steady state: the sum of `traffic`
    scratch_bytes: int | None = None  #: temporaries in HBM
    argument_bytes: int | None = None
    output_bytes: int | None = None
    code_bytes: int | None = None
    operations: dict[str, int] = field(default_factory=dict)  #: scheduled, by opcode
    fusions: dict[str, int] = field(default_factory=dict)  #: by kind: {"kLoop": 12}
    custom_calls: dict[str, int] = field(default_factory=dict)  #: by target
    attributed: float | None = None  #: fraction of the scheduled operations mapped to a step
    attributed_by_name: float | None = None  #: the share whose own metadata says so; the rest by whose data they move
    steps: tuple[StepFacts, ...] = ()
    collectives: tuple[Collective, ...] = ()
    calls: tuple[AnyCall, ...] = ()  #: what the program starts, in its order
    estimates: tuple[Estimate, ...] = ()
    caveats: tuple[str, ...] = ()  #: what these counts do not show
    kind: Kind = Kind.COMPILED  #: also where the cell's times are measured; INTERPRETED of what an interpreter counted
    traffic: Traffic | None = None  #: what `hbm_bytes` is the sum of; None where the text does not tell it

    @property
    def called(self) -> type[Call]:
        """What sort of calls they are, which says in what words and in which text is counted; without calls, any."""
        return type(self.calls[0]) if self.calls else Call

    @property
    def launches(self) -> tuple[Call, ...]:
        """The calls, where they are all that the program starts."""
        return self.calls if self.called.complete else ()

    @property
    def by_sort(self) -> dict[type[Call], tuple[Call, ...]]:
        """The calls of each sort."""
        sorts = dict.fromkeys(type(call) for call in self.calls)
        return {sort: tuple(call for call in self.calls if type(call) is sort) for sort in sorts}

    def of(self, kind: type[C]) -> tuple[C, ...]:
        """The calls of one sort."""
        return tuple(call for call in self.calls if isinstance(call, kind))
