"""PyTorch's way to the TPU: its functions over JAX arrays (torchax), lowered by JAX and compiled by XLA."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import jax
import torch.nn.functional as F

from oneblock.backends._jax import tpu
from oneblock.backends._jax.here import Here
from oneblock.backends._jax.placement import Layout
from oneblock.backends._torch.ops import TorchNativeOps, TorchOps, ValueOps
from oneblock.backends.api import mesh as _mesh
from oneblock.backends.api.backend import Availability, Compiled
from oneblock.backends.api.target import Target
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload
from oneblock.workloads.ops.definitions import Array, Ops

JAX = Here()


@contextmanager
def _undone() -> Iterator[None]:
    """Take back what importing torchax does to the whole process: it asks for telemetry, and names itself to PJRT."""
    options = jax.config.jax_pjrt_client_create_options
    environment = dict(os.environ)
    yield
    jax.config.update("jax_pjrt_client_create_options", options)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]


with _undone():
    import torchax
    from torchax import interop


class TorchaxOps(ValueOps):
    """The plain definitions over torch; a step is JAX's named scope, as it is JAX that traces."""

    def step(self, name: str) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = jax.named_scope(name)
        return scope

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        """By a choice for every slot where positions are given: PyTorch's scatter takes int64, which JAX has not."""
        return ValueOps.write(self, cache, new) if position is None else Ops.write(self, cache, new, position)


class TorchaxNativeOps(TorchNativeOps):
    """PyTorch's own fused operations as torchax lowers them; layer norm as the text has it.

    torchax takes the mean and variance of F.layer_norm in the array's own dtype: wrong by 72 ulps in bfloat16.
    Projections read their weights as (O, I).
    """

    step, write = TorchaxOps.step, TorchaxOps.write
    layer_norm = TorchOps.layer_norm

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        return F.linear(x, weight, bias)


class TorchFunctions:
    """The torch program through JAX and XLA: run on the CPU or a TPU that is here, compiled for a TPU that is not.

    It is not Google's package `torch-tpu`, which is the backend `torchtpu`. Where that is installed too, `import torch`
    loads it and with it a second libtpu, unless TORCH_DEVICE_BACKEND_AUTOLOAD=0 is set.
    """

    OPS: ClassVar = {"plain": TorchaxOps, "native": TorchaxNativeOps}

    def probe(self, target: Target) -> Availability:
        return JAX.probe(target) if target.platform == "cpu" else tpu.probe(target)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        _mesh.check(case, target)
        ops = self.OPS[ops_set]()
        self.probe(target)  # makes the CPU's devices, as many as the mesh takes, before JAX is used for anything
        torchax.default_env()  # draws a random key: made while JAX traces, that would be a tracer, and kept

        def over_jax(ops: TorchOps, case: Case, args: Mapping[str, Any]) -> Outputs:
            answer: Outputs = interop.call_torch(lambda given: workload.program(ops, case, given), dict(args))
            return answer

        program = xla.named(over_jax, ops, case, workload.name)
        compile_program = JAX.compile_program if target.platform == "cpu" else tpu.compile_program
        return compile_program(program, arrays, Layout.of(workload, case, ops_set), target)

    def compilations(self) -> int:
        return xla.compilations()
