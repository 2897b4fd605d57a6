"""PyTorch through torch.compile and Inductor, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from oneblock.backends._torch.eager import Eager
from oneblock.backends._torch.executable import Program, TorchExecutable
from oneblock.backends._torch.ops import InductorNativeOps, TorchOps
from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.target import Target
from oneblock.compilers import Capture, Detail, Stage
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.inductor import cpu as inductor
from oneblock.compilers.inductor.passes import InductorPasses
from oneblock.workloads._workload import Arrays, Case, Workload


class Inductor(Eager):
    """The same program, compiled whole: a graph break is an error."""

    OPS: ClassVar = {"plain": TorchOps, "native": InductorNativeOps}

    def compile_layer(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        """As `compile`; weights lie as a step of one text wants them, in its prompt's program too."""
        by_rows = self.OPS[ops_set].loops_over_one_row
        return self._compiled(workload, case, arrays, ops_set, target, by_rows=by_rows)

    def build(self, program: Program, eager: TorchExecutable, arrays: Arrays) -> tuple[Program, Capture]:
        args = eager.put(arrays)  # outside: Dynamo would guard on arguments that were made in inference mode
        eager.call(args)  # what an ops set refuses it refuses in its own words: Dynamo's hide them
        with torch.inference_mode():  # as in call(): Dynamo guards on that too
            return inductor.compile_and_capture(program, args, reuse=eager.by_rows)

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        def compile() -> tuple[Any, Callable[[], str]]:
            made = self.compile(workload, case, arrays, ops_set, target)
            return made.executable, lambda: _source(made)

        return InductorPasses(compile)

    def compilations(self) -> int:
        return inductor.compilations()


def _source(made: Compiled) -> str:
    """What Inductor wrote."""
    return next(one.text for one in made.capture(Detail.BRIEF).artifacts if one.stage is Stage.KERNEL)
