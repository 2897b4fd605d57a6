"""TorchTPU, Google's package torch-tpu: its StableHLO of the torch program, made without a TPU, compiled for one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from oneblock.backends._torch import only_compiled
from oneblock.backends._torch.arrays import _to_torch
from oneblock.backends._torch.ops import TorchNativeOps, ValueOps
from oneblock.backends.api.backend import Availability, Compiled, Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.api.asked import asked
from oneblock.compilers.xla import placeholder, tpu
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload

_RELEASE = "0.2.0"


class PlaceholderOps(ValueOps):
    """The plain definitions over placeholders; a step is in the location of every operation."""

    def step(self, name: str) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = placeholder.scope(name)
        return scope


class PlaceholderKernels(TorchNativeOps):
    """PyTorch's own fused operations as TorchTPU lowers them: attention to a kernel of Mosaic's."""

    step, write = PlaceholderOps.step, PlaceholderOps.write


class PlaceholderNativeOps(PlaceholderKernels):
    """The same, and attention as the text has it, whose work is seen."""

    attention = PlaceholderOps.attention


class Placeholders:
    """The torch program lowered by TorchTPU, and compiled for a TPU by JAX's libtpu."""

    OPS: ClassVar = {"plain": PlaceholderOps, "native": PlaceholderNativeOps, "kernels": PlaceholderKernels}

    def __init__(self) -> None:
        self.compiled = 0

    def probe(self, target: Target) -> Availability:
        found = version("torch-tpu")
        if found != _RELEASE and "torch-tpu" not in asked():
            reason = f"torch-tpu {found} is installed, and oneblock calls what is private to {_RELEASE}"
            raise Unavailable(reason, f"pip install --no-deps torch-tpu=={_RELEASE}")
        return only_compiled.probe(target, "oneblock only compiles TorchTPU's programs, and has run none on a TPU")

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        only_compiled.refuse_mesh(target, "torchtpu")
        where = only_compiled.where(target)
        ops = self.OPS[ops_set]()

        def program(args: Mapping[str, Any]) -> Outputs:
            return workload.program(ops, case, args)

        shapes = {name: (a.shape, _to_torch(np.empty(0, a.dtype)).dtype) for name, a in arrays.items()}
        stablehlo, before = placeholder.record(program, shapes, workload.name)
        self.compiled += 1
        return Compiled(None, tpu.capture_stablehlo(stablehlo.text, [before], where, workload.steps))

    def compilations(self) -> int:
        return self.compiled
