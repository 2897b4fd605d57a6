"""Inductor with some of its passes, decompositions and lowerings switched off.

PyTorch's own bisector asks one function before each of them, `CompilerBisector.disable_subsystem`. Here that function
is exchanged for ours, which knows every question by name: so all subsystems are searched as one list, in one process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._inductor import config, metrics
from torch._inductor.compiler_bisector import CompilerBisector

from oneblock.compilers.api.passes import CannotRun, Numbering, PassTrial, beside, reason, replaced

_NEVER_OFF = ("pre_grad_graph", "cudagraphs")  # the first is all of Inductor; the second is not on the CPU
_DECOMPOSITION = "decomposition"
_OF_THE_DAY = re.compile(r"^# AOT ID: .*\n", re.MULTILINE)
_KERNEL = re.compile(r"^\w+ = async_compile\.", re.MULTILINE)
_LIBRARY = re.compile(r"\bextern_kernels\.\w+\(|= torch\.ops(?:\.\w+){3}\(")
Compile = Callable[[], tuple[Any, Callable[[], str]]]  # -> (the executable, its text)


class InductorPasses:
    """What Inductor asks the bisector for when nothing is off, as "post_grad_passes/remove_noop_ops"."""

    counts: tuple[str, ...] = ("fusions", "library_calls", "nodes")  # "fusions": the kernels that it writes
    how = (
        "the switches of torch._inductor.compiler_bisector: passes over the graph, decompositions, and the lowering of "
        "each operation, without which it is a call of aten's. The scheduler's fusion has no switch"
    )

    def __init__(self, compile: Compile) -> None:
        self.compile = compile
        self.make(())  # the first compilation also registers patterns, whose decompositions are no part of the program
        self.asked: list[str] = []
        self.make(())
        self.names = tuple(self.asked)

    def make(self, off: Sequence[str]) -> PassTrial:
        """A fresh compilation: no cache of Dynamo's or Inductor's is read."""
        self.asked, named, without = [], Numbering(), set(off)

        def disable(backend: str, subsystem: str, told: Callable[[], str] | None = None) -> bool:
            if subsystem in _NEVER_OFF:
                return False
            name = named(f"{subsystem}/{told()}" if told is not None else subsystem)
            self.asked.append(name)
            return name in without

        torch._dynamo.reset()
        metrics.reset()
        try:
            with (
                replaced(CompilerBisector, {"disable_subsystem": staticmethod(disable)}),
                config.patch(force_disable_caches=True),
            ):
                executable, text = self.compile()
        except Exception as error:
            raise CannotRun(reason(error)) from error
        written = _OF_THE_DAY.sub("", text())
        return PassTrial(executable, _counts(written), lambda _: written)

    def by_hand(self, off: Sequence[str]) -> str:
        """PyTorch's own switch: of one subsystem, everything after a number, which counts from 0."""
        if not off:
            return "(nothing is off)"
        subsystem = _subsystem(off[0])
        within = [name for name in self.names if _subsystem(name) == subsystem]
        first = within.index(off[0])
        covered, more, backend = within[first:], [], "inductor"
        if subsystem == _DECOMPOSITION:
            # PyTorch asks for decompositions in that name only, and torch.compile takes the variable for its backend.
            backend = "aot_eager_decomp_partition"
            covered += [name for name in self.names if _subsystem(name) != subsystem]
            more = [f"torch.compile then runs {backend}, and nothing of Inductor"]
        flags = f"TORCH_BISECT_BACKEND={backend} TORCH_BISECT_SUBSYSTEM={subsystem} TORCH_BISECT_MAX={first - 1}"
        return flags + beside(self.names, off, covered, *more)


def _subsystem(name: str) -> str:
    return name.partition("/")[0]


def _counts(written: str) -> dict[str, float]:
    calls = {"fusions": len(_KERNEL.findall(written)), "library_calls": len(_LIBRARY.findall(written))}
    return calls | {"nodes": metrics.ir_nodes_pre_fusion}
