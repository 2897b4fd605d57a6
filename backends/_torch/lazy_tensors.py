"""PyTorch/XLA 2.9 on the CPU, and its StableHLO compiled for a TPU; frozen upstream since November 2025."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from oneblock.backends._torch import only_compiled
from oneblock.backends._torch.arrays import _to_numpy, _to_torch
from oneblock.backends._torch.ops import TorchNativeOps, ValueOps
from oneblock.backends.api.backend import Availability, Compiled
from oneblock.backends.api.host import HostCache
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, Lowering
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.xla import lazy_tensor as torchxla
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload
from oneblock.workloads.ops.definitions import STEPS


class LazyOps(ValueOps):
    """The plain definitions over lazy tensors; a step becomes a scope, and so part of every operation's metadata."""

    def step(self, name: str) -> AbstractContextManager[Any]:
        return torchxla.scope(name)


class LazyNativeOps(TorchNativeOps):
    """PyTorch's own fused operations as PyTorch/XLA lowers them."""

    step, write = LazyOps.step, LazyOps.write


class LazyExecutable:
    """A recorded program on PyTorch/XLA's CPU client. A call runs what was compiled, and records nothing."""

    timer = "perf_counter"

    def __init__(self, run: Callable[[Mapping[str, Any]], Outputs], state: Sequence[str]) -> None:
        self.run, self.state = run, state
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return _put(arrays)

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        out = self.run(args)
        args.update({name: out[name] for name in self.state})
        return out

    def wait(self, out: Outputs) -> None:
        torchxla.wait()  # `torch_xla.sync(wait=True)` would not wait for what a compiled program computes

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: _to_numpy(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        self.cache.flush(nbytes)

    def peak_bytes(self) -> int | None:
        return None


class LazyTensors:
    """The torch program recorded by PyTorch/XLA: run by its own XLA:CPU, or compiled for a TPU by JAX's libtpu."""

    OPS: ClassVar = {"plain": LazyOps, "native": LazyNativeOps}

    def probe(self, target: Target) -> Availability:
        if target.platform == "cpu":
            return Availability(Kind.MEASURED, "cpu")
        why = "PyTorch/XLA is frozen at 2.9 (November 2025), and oneblock only compiles its programs for a TPU"
        return only_compiled.probe(target, why)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        only_compiled.refuse_mesh(target, "torchxla")
        ops = self.OPS[ops_set]()

        def program(args: Mapping[str, Any]) -> Outputs:
            return workload.program(ops, case, args)

        if target.platform == "tpu":
            return _for_tpu(program, arrays, target)
        recorded = torchxla.LazyProgram(program, _put(arrays))
        run = recorded.compile()

        def capture(detail: Detail) -> Lowering:
            return Lowering(recorded.artifacts(STEPS))

        return Compiled(LazyExecutable(run, workload.state(case)), capture)

    def compilations(self) -> int:
        return torchxla.compilations()


def _put(arrays: Arrays) -> dict[str, Any]:
    placed = {name: _to_torch(array).to(torchxla.DEVICE, copy=True) for name, array in arrays.items()}
    torchxla.wait()
    return placed


def _for_tpu(program: Any, arrays: Arrays, target: Target) -> Compiled:
    from oneblock.compilers.xla import tpu  # which imports JAX: a CPU or a TPU that is here does without

    where = only_compiled.where(target)
    empty = {name: torchxla.placeholder(a.shape, _dtype(a)) for name, a in arrays.items()}
    *before, stablehlo = torchxla.LazyProgram(program, empty).artifacts(STEPS)
    return Compiled(None, tpu.capture_stablehlo(stablehlo.text, before, where, STEPS))


def _dtype(array: np.ndarray) -> Any:
    return _to_torch(np.empty(0, array.dtype)).dtype
