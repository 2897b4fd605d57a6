"""Our own Pallas kernels in the place of JAX's operations: interpreted on the CPU, compiled for every TPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import jax

from oneblock.backends import xla_tpu
from oneblock.backends._jax.ops import JaxNativeOps
from oneblock.backends._jax.placement import shape
from oneblock.backends._pallas import tuning
from oneblock.backends.api.backend import Compiled, Device, Found, Unsupported
from oneblock.backends.api.target import Target
from oneblock.backends.jax_xla import BACKEND as JAX
from oneblock.backends.kernels.pallas.flash_attention import flash_attention
from oneblock.backends.kernels.pallas.paged_attention import cached_attention
from oneblock.backends.kernels.pallas.rms_matmul import rms_matmul
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, Tell
from oneblock.compilers.chips.tpus import TPUS
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload
from oneblock.workloads.ops.definitions import Array


@dataclass(frozen=True)
class Normed:
    """An RMSNorm that waits for the projections that read it, each of which does it in its own kernel."""

    x: Array  # (..., C)
    weight: Array  # (C,)
    eps: float
    step: str  # in which it was asked for


class PallasOps(JaxNativeOps):
    """Attention, and RMSNorm with the projections after it, as kernels of ours; the other operations as native."""

    def __init__(self, platform: str) -> None:
        super().__init__(platform)
        self.interpret = platform == "cpu"
        self.current = ""
        self.called: list[tuple[tuning.Call, tuple[str, ...]]] = []  # kernels, as a program is traced, with their steps

    def step(self, name: str) -> AbstractContextManager[Any]:
        self.current = name
        return super().step(name)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Normed:
        return Normed(x, weight, eps, self.current)

    def linear(self, x: Array | Normed, weight: Array, bias: Array | None = None) -> Array:
        if not isinstance(x, Normed) or bias is not None:
            return super().linear(array(self, x), weight, bias)
        *outer, C = x.x.shape
        y = _start(self, rms_matmul, x.x.reshape(-1, C), x.weight, weight, x.eps, steps=(x.step, self.current))
        return y.reshape(*outer, weight.shape[0])

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        T, S = q.shape[1], k.shape[1]
        if T not in (1, S):
            raise Unsupported(f"attention of {T} queries to {S} keys: our kernels take one query, or as many as keys")
        return _start(self, cached_attention if T == 1 else flash_attention, q, k, v, steps=(self.current,))


def _start(ops: PallasOps, kernel: Callable[..., Array], *args: Any, steps: tuple[str, ...]) -> Array:
    """Call a kernel of ours, which does these steps' work, and note it down."""
    ops.called.append((tuning.call(kernel, args), steps))
    return kernel(*args, interpret=ops.interpret)


def array(ops: PallasOps, x: Array | Normed) -> Array:
    """x (..., C) as an array, its norm taken where no projection follows, such as the answer of the workload `norm`."""
    if not isinstance(x, Normed):
        return x
    with ops.step(x.step):
        return JaxNativeOps.rms_norm(ops, x.x, x.weight, x.eps)


class PallasTpu:
    """The block with hand-written kernels; on the CPU an interpreter runs them, which shows that they are right."""

    name = "pallas_tpu"
    ops_sets = ("kernels",)
    dtypes = ("float32", "bfloat16")  # Mosaic refuses to load float16: "Invalid vector type for load"
    platforms = ("cpu", "tpu")

    def probe(self, target: Target) -> Device:
        if target.mesh is not None:
            raise Unsupported(f"{target}: a kernel of ours is a program for one device, and is not split over a mesh")
        return Device(Kind.INTERPRETED, "cpu") if target.platform == "cpu" else xla_tpu.probe(target)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        self.probe(target)
        program = _program(workload, case, PallasOps(target.platform))
        compile_program = JAX.compile_program if target.platform == "cpu" else xla_tpu.compile_program
        return compile_program(program, arrays, ops_set, target)

    def tune(self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell) -> Found:
        if self.probe(target).kind is not Kind.COMPILED:
            what = "an interpreter's time says nothing of a block size" if target.platform == "cpu" else "not timed yet"
            raise Unsupported(f"{target}: {what}; sizes are ranked for a TPU elsewhere, e.g. --target tpu:v5e:2x2")
        at = xla_tpu.where(target)
        if TPUS[at.generation.name].clock_hz is None:
            raise Unsupported(f"{target}: its clock is not known, so that simulated cycles are no seconds")
        ops = PallasOps("tpu")
        shapes = {name: jax.ShapeDtypeStruct(shape(name, a.shape, "kernels"), a.dtype) for name, a in arrays.items()}
        jax.eval_shape(_program(workload, case, ops), shapes)
        return tuning.tune(ops.called, at, tell)

    def compilations(self) -> int:
        return xla.compilations()


def _program(workload: Workload, case: Case, ops: PallasOps) -> Callable[..., Outputs]:
    def finished(ops: PallasOps, case: Case, args: Mapping[str, Any]) -> Outputs:
        return {name: array(ops, x) for name, x in workload.program(ops, case, args).items()}

    return xla.named(finished, ops, case, workload.name)


BACKEND = PallasTpu()
