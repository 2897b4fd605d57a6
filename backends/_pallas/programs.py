"""Our own Pallas kernels in the place of JAX's operations: interpreted on the CPU, compiled for every TPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax

from oneblock.backends._jax import tpu
from oneblock.backends._jax.here import Here
from oneblock.backends._jax.placement import Layout
from oneblock.backends._pallas import tuning
from oneblock.backends._pallas.ops import PallasOps, array
from oneblock.backends.api.backend import Availability, Compiled, TuningResult, Unsupported
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, Tell
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload


class Programs:
    """The block with hand-written kernels; on the CPU an interpreter runs them, which shows that they are right."""

    OPS: ClassVar = {"kernels": PallasOps}

    def probe(self, target: Target) -> Availability:
        if target.mesh is not None:
            raise Unsupported(f"{target}: a kernel of ours is a program for one device, and is not split over a mesh")
        return Availability(Kind.INTERPRETED, "cpu") if target.platform == "cpu" else tpu.probe(target)

    def compile(
        self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target, own: OwnKernels = OURS
    ) -> Compiled:
        self.probe(target)
        own.load()
        program = _program(workload, case, PallasOps(target.platform, own))
        compile_program = Here().compile_program if target.platform == "cpu" else tpu.compile_program
        return compile_program(program, arrays, Layout.of(workload, case, ops_set), target)

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        if self.probe(target).kind is not Kind.COMPILED:
            what = "an interpreter's time says nothing of a block size" if target.platform == "cpu" else "not timed yet"
            raise Unsupported(f"{target}: {what}; sizes are ranked for a TPU elsewhere, e.g. --target tpu:v5e:2x2")
        at = tpu.where(target)
        if at.chip.clock_hz is None:
            raise Unsupported(f"{target}: its clock is not known, so that simulated cycles are no seconds")
        ops = PallasOps("tpu")
        taken = Layout.of(workload, case, "kernels").shapes(arrays)
        shapes = {name: jax.ShapeDtypeStruct(*each) for name, each in taken.items()}
        jax.eval_shape(_program(workload, case, ops), shapes)
        return tuning.tune(ops.called, at, tell)

    def compilations(self) -> int:
        return xla.compilations()


def _program(workload: Workload, case: Case, ops: PallasOps) -> Callable[..., Outputs]:
    def finished(ops: PallasOps, case: Case, args: Mapping[str, Any]) -> Outputs:
        return {name: array(ops, x) for name, x in workload.program(ops, case, args).items()}

    return xla.named(finished, ops, case, workload.name)
