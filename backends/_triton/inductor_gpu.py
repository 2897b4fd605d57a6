"""What Inductor would run on a GPU: its kernels compiled for one that is not here, and interpreted on the CPU.

Three ops sets. `plain` and `native` are the program's, as elsewhere, with matrix products left to a library, which is
Inductor's default. `kernels` is the plain program with its products in Triton, too, by the hand-written GEMM templates
that Inductor brings along (`max_autotune_gemm`): then all of it is compiled here, and nothing is a library's.

For NVIDIA's GPUs alone: that its GPUs are AMD's is fixed as PyTorch is built, and what PyPI has is not built so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import triton

from oneblock.backends._torch.arrays import meta_tensors
from oneblock.backends._torch.executable import TorchExecutable
from oneblock.backends._torch.ops import TorchNativeOps, TorchOps
from oneblock.backends._triton.runners import interpreter_fits
from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.inductor import gemm_templates
from oneblock.compilers.inductor import gpu as inductor_gpu
from oneblock.compilers.inductor import kernels as inductor_kernels
from oneblock.compilers.inductor import stages as inductor_stages
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload

_INTERPRETED_AS = Target("cuda", "sm_90")  # for which the code that the CPU interprets is generated


class InductorGpu:
    """The block through Inductor's GPU code generation; `torch_inductor` does it for real on a device that is here."""

    OPS: ClassVar = {"plain": TorchOps, "native": TorchNativeOps, "kernels": TorchOps}

    def probe(self, target: Target) -> Availability:
        if target.mesh is not None:
            raise Unsupported(f"{target}: inductor_gpu compiles for one GPU: leave out @{target.mesh}")
        if target.platform == "cpu":
            interpreter_fits()
            code = f"{_INTERPRETED_AS.architecture} code"
            return Availability(Kind.INTERPRETED, f"cpu, {code} by the interpreter of Triton {triton.__version__}")
        if target.architecture is None:
            raise Unavailable(
                "inductor_gpu only compiles, for a GPU that is named",
                "name one, e.g. --target cuda:sm_90; on a GPU that is here, torch_inductor with --target cuda measures",
            )
        return Availability(Kind.COMPILED, chip_of(target, Gpu).name)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        kind = self.probe(target).kind
        ops = self.OPS[ops_set]()

        def program(args: Mapping[str, Any]) -> Outputs:
            return workload.program(ops, case, args)

        interpreted = kind is Kind.INTERPRETED
        gpu = chip_of(_INTERPRETED_AS if interpreted else target, Gpu)
        pick = gemm_templates.fewest if interpreted else gemm_templates.modelled(gpu)
        shapes = meta_tensors(arrays)
        program(shapes)  # what an ops set refuses it refuses in its own words: Dynamo's hide them
        try:
            generated = inductor_gpu.generate(program, shapes, gpu, pick if ops_set == "kernels" else None)
            launches = inductor_stages.started(generated, shapes)
            kernels = {} if interpreted else inductor_stages.build(launches, gpu)
        except (NotImplementedError, triton_gpu.CannotBuild) as error:
            raise Unsupported(f"{workload.name} for {target}: {error}") from error
        capture = inductor_stages.of(generated, launches, kernels)
        if not interpreted:
            return Compiled(None, capture)
        wrapper = inductor_kernels.load(generated, "cpu", lambda kernel, args: kernel.interpret(args))
        return Compiled(TorchExecutable(_refusing(wrapper), torch.device("cpu")), capture)

    def compilations(self) -> int:
        return inductor_gpu.generations() + triton_gpu.compilations()


def _refusing(wrapper: Any) -> Any:
    def program(args: Mapping[str, Any]) -> Outputs:
        try:
            return dict(wrapper(args))
        except NotImplementedError as error:
            where = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
            raise Unsupported(f"the interpreter does not run what Inductor wrote: {error}{where}") from error

    return program
