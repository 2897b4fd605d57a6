"""An interpreter of the part of NKI 0.6 that a transformer block needs, which holds kernels to the hardware's rules.

A kernel file imports `nki`, `nki.isa` and `nki.language`, as AWS's documentation teaches; `shim.install` makes those
names mean this package where AWS's own is not installed. Each instruction checks what the documents state of it and
computes in float32 over NumPy. A run leaves a trace, which `timeline` lays out in time by the documented costs.

What it does not have raises `NotInterpreted`: several cores, indirect addressing, loops on the device, 8-bit and
packed products, collectives. What a kernel may not do raises `RuleError`.
"""

from oneblock.compilers.chips.chip import Generation
from oneblock.compilers.nki.generations import generation
from oneblock.compilers.nki.kernel import Kernel, Run, run, watched
from oneblock.compilers.nki.rules import NotInterpreted, RuleError
from oneblock.compilers.nki.shim import RealNkiHere, install, old_namespace_named
from oneblock.compilers.nki.timeline import Timeline, perfetto, timeline

__all__ = [
    "Generation", "Kernel", "NotInterpreted", "RealNkiHere", "RuleError", "Run", "Timeline",
    "generation", "install", "old_namespace_named", "perfetto", "run", "timeline", "watched",
]  # fmt: skip
