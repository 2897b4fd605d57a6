"""PyTorch through torch.compile and Inductor, on the CPU or a CUDA device."""

from __future__ import annotations

import torch

from oneblock.backends.torch_eager import Program, TorchEager, TorchExecutable
from oneblock.compilers import Capture, inductor
from oneblock.workloads._workload import Arrays


class TorchInductor(TorchEager):
    """The same program, compiled whole: a graph break is an error."""

    name = "torch_inductor"

    def build(self, program: Program, eager: TorchExecutable, arrays: Arrays) -> tuple[Program, Capture]:
        args = eager.put(arrays)  # outside: Dynamo would guard on arguments that were made in inference mode
        with torch.inference_mode():  # as in call(): Dynamo guards on that too
            return inductor.compile_and_capture(program, args)

    def compilations(self) -> int:
        return inductor.compilations()


BACKEND = TorchInductor()
