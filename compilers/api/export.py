"""What one compiler hands to another: a module, the operators that the other names, a source that is only read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Form(StrEnum):
    """What a program is written as for others."""

    NEURON = "neuron"  # a binary HLO module for AWS's neuronx-cc
    STABLEHLO = "stablehlo"  # StableHLO: its portable artifact, its text, and JAX's own file
    TORCH = "torch"  # PyTorch's exported program
    ONNX = "onnx"


@dataclass(frozen=True)
class ExportedModule:
    """A program in a form that others read, and what is in it."""

    files: dict[str, bytes]  #: by what their names end in; each is the whole program, the first for its compiler
    format: str  #: what it is, and of which version, for people
    parameters: tuple[str, ...]  #: the names of what it takes, in their order
    outputs: tuple[str, ...]  #: and of what it gives
    computations: int
    opcodes: dict[str, int]  #: how many instructions there are of each


class Mark(StrEnum):
    """What a list of operators says of an opcode."""

    LISTED = "in the list"
    NOT_LISTED = "not in the list"
    STRUCTURAL = "structural"


class OperatorList(Protocol):
    """The operators that a compiler names, and where that is written."""

    @property
    def title(self) -> str:
        """What the list is, in a few words."""
        ...

    @property
    def source(self) -> str:
        """Who says so, and when."""
        ...

    def mark(self, opcode: str) -> tuple[Mark, str]:
        """(what the list says of an opcode, the names it goes by there with their conditions)."""
        ...


@dataclass(frozen=True)
class TrnSource:
    """What TVM's `trn` target makes of one matrix product, written in two ways, and of a plain loop."""

    tvm: str  #: the version
    program: str  #: TIRx
    source: str
    laid_out: str  #: the source where TVM itself derives the accumulator's allocation from a layout
    refused: str  #: what it says of a plain loop, as Relax and MetaSchedule make them
