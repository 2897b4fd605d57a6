"""PyTorch through torch.compile and Inductor, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable

import torch

from oneblock.backends.torch_eager import Program, TorchEager, TorchExecutable
from oneblock.compilers import Artifact, inductor
from oneblock.workloads._workload import Arrays


class TorchInductor(TorchEager):
    """The same program, compiled whole: a graph break is an error."""

    name = "torch_inductor"

    def build(
        self, program: Program, eager: TorchExecutable, arrays: Arrays
    ) -> tuple[Program, Callable[[], tuple[Artifact, ...]]]:
        with torch.inference_mode():  # as in call(): Dynamo guards on it
            return inductor.compile_and_capture(program, eager.put(arrays))

    def compilations(self) -> int:
        return inductor.compilations()


BACKEND = TorchInductor()
