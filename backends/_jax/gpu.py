"""XLA:GPU: the program traced by JAX and compiled by XLA for a GPU that is not here, which needs no driver."""

from __future__ import annotations

from typing import ClassVar

from oneblock.backends._jax.ops import JaxNativeOps, JaxOps
from oneblock.backends._jax.placement import Layout
from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips import chip
from oneblock.compilers.xla import gpu as compiler
from oneblock.compilers.xla import gpu_env as _gpu_env
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Case, Workload


class Gpu:
    """The block through XLA's compiler for NVIDIA GPUs, studied and not run: `jax_xla` measures where there is one."""

    OPS: ClassVar = {"plain": JaxOps, "native": JaxNativeOps}

    def probe(self, target: Target) -> Availability:
        wrong = _gpu_env.missing()
        if wrong is not None:
            raise Unavailable(*wrong)
        if target.architecture is None:
            raise Unavailable(
                "xla_gpu only compiles, for a GPU that is named",
                "name one, e.g. --target cuda:sm_90; on a GPU that is here, jax_xla with --target cuda measures",
            )
        refused = _gpu_env.refused_flags()
        if refused is not None:
            raise Unavailable(f"XLA refuses the environment's flags: {refused}", "unset or mend XLA_FLAGS")
        return Availability(Kind.COMPILED, _named(target).name)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        self.probe(target)
        of = _named(target)
        ops = self.OPS[ops_set]("cuda")
        program = xla.named(workload.program, ops, case, workload.name)
        layout = Layout.of(workload, case, ops_set)
        try:
            lowered, graph = xla.lower(program, layout.shapes(arrays), xla.on(compiler.device(of)), layout.state)
        except (ValueError, NotImplementedError) as error:
            raise Unsupported(f"does not lower for {target}: {error}") from error
        return Compiled(None, compiler.compile_and_capture(lowered, graph, of, workload.steps))

    def compilations(self) -> int:
        return xla.compilations()


def _named(target: Target) -> chip.Gpu:
    """The GPU that a target names; Unsupported offers those there are."""
    if target.mesh is not None:
        raise Unsupported(f"{target}: xla_gpu compiles for one GPU: leave out @{target.mesh}")
    return chip_of(target, chip.Gpu)
