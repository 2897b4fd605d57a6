"""The chip that a target names, for a backend which compiles for it."""

from __future__ import annotations

from typing import TypeVar

from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Chip

C = TypeVar("C", bound=Chip)


def chip_of(target: Target, shape: type[C]) -> C:
    """The chip in the shape that a compiler needs (`Gpu`, `Tpu`, `NeuronCore`); Unsupported offers those there are."""
    if target.architecture is None:
        raise Unsupported(f"{target}: names no chip; expected one such as {target}:ARCHITECTURE")
    try:
        return load(target.chip_name, shape)
    except LookupError as error:
        raise Unsupported(str(error)) from error
