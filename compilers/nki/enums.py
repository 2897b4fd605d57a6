"""The enumerations of `nki.isa`, with the vendor's values."""

from __future__ import annotations

from enum import Enum


class Engine(Enum):
    """Which engine is asked for; unknown leaves the choice to the compiler."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    dma = 4
    vector = 5
    sync = 6


class ReduceCmd(Enum):
    """What becomes of the accumulator registers."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class DgeMode(Enum):
    """Who writes a DMA's descriptors."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class OobMode(Enum):
    """What an indirect access out of bounds does."""

    error = 0
    skip = 1


class MatmulPerfMode(Enum):
    """Whether TensorE takes pairs of 8-bit rows."""

    none = 0
    double_row = 1
