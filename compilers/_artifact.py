"""A lowering stage, as text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The shared names of lowering stages, from the user's program to the machine's."""

    GRAPH = "graph"  # operations on whole arrays:  FX, jaxpr, Relax
    LOWERED = "lowered"  # the compiler's own input:    StableHLO, Triton IR, TIR
    OPTIMIZED = "optimized"  # after its passes:            HLO, TritonGPU IR, scheduled TIR
    KERNEL = "kernel"  # generated source:            Triton, C++, LLVM IR, NKI
    MACHINE = "machine"  # for one device:              PTX, SASS, x86, NEFF


@dataclass(frozen=True)
class Artifact:
    """One stage as text, for reading and never for loading back; `dialect` is what its own toolchain calls it."""

    stage: Stage
    dialect: str
    text: str
