"""Tables that a toolchain's capture makes to be read: none of their lines is an operation of a step."""

from __future__ import annotations

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects._dialect import Dialect

DIALECTS = (
    Dialect(("passes",), (Stage.OPTIMIZED,)),  # of a compiler's passes, what each changed
    Dialect(("thunks",), (Stage.MACHINE,)),  # what XLA's runtime for a GPU does, in order
    Dialect(("neuronx-cc-flags",), (Stage.LOWERED,)),
    Dialect(("neff",), (Stage.MACHINE,)),  # what stands in Neuron's executable, or why there is none
)
