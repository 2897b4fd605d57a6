"""A call: what a program starts as a whole, by whatever toolchain, and the columns of figures that it can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from oneblock.compilers.api.kind import STRICT, Kind


@dataclass(frozen=True)
class Column:
    """One figure under its heading. Under one heading stand figures of one unit and one kind, and no others."""

    __pydantic_config__: ClassVar[Any] = STRICT
    heading: str  #: "registers"
    value: int | float | str | None  #: None: not known of this one
    unit: str = ""  #: of a number: "B", "s", "%" of a share of 1, "x" of a multiple; "" of a count
    kind: Kind = Kind.COMPILED
    note: str = ""  #: behind the value: "2 by registers" of an occupancy


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call, in the program's order. What is None is not known, or there is no such thing."""

    __pydantic_config__: ClassVar[Any] = STRICT
    noun: ClassVar[str] = "kernel"
    operation: ClassVar[str] = "operation"  #: what a program of such calls counts as one
    counted_in: ClassVar[str] = "HLO"  #: in which text FLOPs and bytes are counted: counts of two are not subtracted
    on_chip: ClassVar[str] = "shared memory"  #: what `on_chip_bytes` are of
    complete: ClassVar[bool] = True  #: whether a program's calls are all that it starts
    says: ClassVar[Mapping[str, str]] = {  #: what the columns mean that are of it and of no sort above it
        "FLOPs / model": "FLOPs of the calls as a share of what the workload's formula needs",
        "HBM / min": "bytes that the calls move as a multiple of the compulsory; less than 1 where the host copies "
        "some",
        "roofline": "the larger of FLOPs / peak and compulsory bytes / bandwidth, of the chip's specification",
        "compile": "what compiling took",
        "analytical": "the time by a model that has no name of its own",
    }

    name: str
    steps: tuple[str, ...] = ()  #: what is fused serves several
    flops: float | None = None
    hbm_bytes: float | None = None
    registers: int | None = None  #: of one thread
    spill_bytes: int | None = None  #: of one thread
    modelled_s: dict[str, float] = field(default_factory=dict)  #: by the model's name: "static", "timeline"

    @property
    def mflop(self) -> float | None:
        """FLOPs in millions."""
        return None if self.flops is None else self.flops / 1e6

    @property
    def operations(self) -> int | None:
        """How many operations it issues, where they are counted by call."""
        return None

    @property
    def on_chip_bytes(self) -> int | None:
        """The most that it holds on the chip at once."""
        return None

    def names(self, number: int) -> tuple[str, ...]:
        """As the program's texts may call it, the `number`-th of its calls."""
        return (self.name,)

    def columns(self) -> tuple[Column, ...]:
        """Its row of the table of calls, without name and steps."""
        return ()

    def times(self) -> tuple[Column, ...]:
        """Its modelled times, a column a model."""
        return tuple(Column(model or "analytical", s, "s", Kind.MODELLED) for model, s in self.modelled_s.items())

    @classmethod
    def program(cls, calls: Sequence[Self]) -> tuple[Column, ...]:
        """The row of a program of such calls among others; empty where the counts of the whole say as much."""
        return ()


@dataclass(frozen=True, kw_only=True)
class ToldCall(Call):
    """One call of a toolchain that is not ours: its columns are data, so that its record is read without it."""

    noun: ClassVar[str] = "call"
    counted_in: ClassVar[str] = "the toolchain's own count"

    tag: Literal["told"] = "told"
    told: tuple[Column, ...] = ()

    def columns(self) -> tuple[Column, ...]:
        return self.told


def steps_of(text: str | None) -> tuple[str, ...]:
    """The steps that a toolchain's text names: of "rope+attention" both."""
    return tuple(filter(None, (text or "").split("+")))


def listed(counts: dict[str, int]) -> str:
    """Counts as people read them: "4 wgmma, 24 cp.async"."""
    return ", ".join(f"{count} {what}" for what, count in counts.items())
