"""Lowering stages as text, and with them what the compiler's output says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from oneblock.compilers.api.facts import Facts


class Stage(StrEnum):
    """The shared names of lowering stages, from the user's program to the machine's."""

    GRAPH = "graph"  #: operations on whole arrays:  FX, jaxpr, Relax
    LOWERED = "lowered"  #: the compiler's own input:    StableHLO, Triton IR, TIR
    OPTIMIZED = "optimized"  #: after its passes:            HLO, TritonGPU IR, scheduled TIR
    KERNEL = "kernel"  #: generated source:            Triton, C++, LLVM IR, NKI
    MACHINE = "machine"  #: for one device:              PTX, SASS, x86, NEFF


@dataclass(frozen=True)
class Artifact:
    """One stage as text, for reading and never for loading back; `dialect` is what its own toolchain calls it."""

    stage: Stage
    dialect: str
    text: str


class Detail(StrEnum):
    """How much of a lowering is wanted."""

    BRIEF = "brief"  #: what the compilation itself left: its input, its output, their counts
    DEFAULT = "default"  #: and what people read of the machine's level, from a second compilation where that takes one
    ALL = "all"  #: and every pass of the compiler: hundreds of files


@dataclass(frozen=True)
class Lowering:
    """The stages in order, and the facts read off them; None where the toolchain's output is not counted."""

    artifacts: tuple[Artifact, ...] = ()
    facts: Facts | None = None


Capture = Callable[[Detail], Lowering]
