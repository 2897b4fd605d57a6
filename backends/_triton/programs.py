"""Our own Triton kernels in the block: interpreted on the CPU, compiled for GPUs, and run on one that is here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from inspect import isfunction
from typing import Any, ClassVar

import torch

from oneblock.backends._torch.arrays import meta_tensors
from oneblock.backends._torch.eager import Eager
from oneblock.backends._torch.executable import TorchExecutable
from oneblock.backends._triton import capture, plan, tuning
from oneblock.backends._triton.ops import TritonOps, array
from oneblock.backends._triton.runners import DeviceRunner, InterpreterRunner, LaunchTracer, interpreter_fits
from oneblock.backends.api.backend import Availability, Compiled, TuningResult, Unavailable, Unsupported, no_lowering
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.api.search import Search, Tell
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.compilers.triton.passes import TritonPasses
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload

_TENSOR_CORES_FROM = (8, 0)  # the compute capability: Turing has some, and Triton uses none of them


class Programs:
    """The block with hand-written kernels for GPUs; without one an interpreter shows that they are right."""

    OPS: ClassVar = {"kernels": TritonOps}

    def probe(self, target: Target) -> Availability:
        if target.mesh is not None:
            raise Unsupported(f"{target}: a kernel of ours is a program for one device, and is not split over a mesh")
        if target.platform == "cpu":
            interpreter_fits()
            return Availability(Kind.INTERPRETED, f"cpu, by the interpreter of Triton {version('triton')}")
        here = _here(target.platform)
        if target.architecture is None and here is None:
            raise Unavailable(
                f"no {target.platform} device is visible to PyTorch",
                f"run on a machine with one, or name what to compile for, e.g. --target {_example(target.platform)}",
            )
        known = _gpu(target)  # of one that is here, too: no configuration can be chosen without its numbers
        if here is not None and target.architecture in (None, here) and target.topology is None:
            return Availability(Kind.MEASURED, torch.cuda.get_device_name())
        return Availability(Kind.COMPILED, known.name)

    def compile(
        self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target, own: OwnKernels = OURS
    ) -> Compiled:
        kind = self.probe(target).kind
        own.load("a function whose kernels its runner launches, as those in backends/kernels/triton do", isfunction)
        if kind is Kind.INTERPRETED:
            executable = TorchExecutable(_program(workload, case, InterpreterRunner(), own), torch.device("cpu"))
            return Compiled(executable, no_lowering)
        gpu, recorder = _recorded(workload, case, arrays, target, kind, own)
        planned = plan.plan(recorder.started, gpu)
        if kind is Kind.COMPILED:
            return Compiled(None, capture.of(planned))
        runner = DeviceRunner(plan.choices(planned), recorder)
        executable = Eager().executable(_program(workload, case, runner, own), torch.device("cuda"))
        executable.wait(executable.call(executable.put(arrays)))  # Triton loads a kernel as it is first called
        return Compiled(executable, capture.of(planned, measure=True))

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        kind = self.probe(target).kind
        if kind is Kind.INTERPRETED:
            raise Unsupported(
                f"{target}: an interpreter's time says nothing of a configuration; "
                f"name a GPU, here or not, e.g. --target {_example('cuda')}"
            )
        gpu, recorder = _recorded(workload, case, arrays, target, kind)
        of_trials = Kind.MEASURED if kind is Kind.MEASURED else Kind.MODELLED
        return tuning.tune(recorder.started, gpu, of_trials, tell)

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        kind = self.probe(target).kind
        if kind is Kind.INTERPRETED:
            raise Unsupported(f"{target}: an interpreter runs no pass; name a GPU, e.g. --target {_example('cuda')}")
        gpu, recorder = _recorded(workload, case, arrays, target, kind)
        planned = plan.plan(recorder.started, gpu)
        distinct = {one.source.key: one.source for one in planned if one.source is not None}
        return TritonPasses(list(distinct.values()))

    def compilations(self) -> int:
        return triton_gpu.compilations()


def _program(
    workload: Workload, case: Case, runner: InterpreterRunner | LaunchTracer | DeviceRunner, own: OwnKernels = OURS
) -> Any:
    ops = TritonOps(runner, own)

    def program(args: Mapping[str, Any]) -> Outputs:
        return {name: array(x) for name, x in workload.program(ops, case, args).items()}

    return program


def _recorded(
    workload: Workload, case: Case, arrays: Arrays, target: Target, kind: Kind, own: OwnKernels = OURS
) -> tuple[Gpu, LaunchTracer]:
    """(the GPU that a target comes to, all that the program starts there)."""
    gpu = _gpu(target)
    sms = gpu.sms.value
    if kind is Kind.MEASURED:
        sms = torch.cuda.get_device_properties().multi_processor_count
    recorder = LaunchTracer(sms, tensor_cores=gpu.platform == "rocm" or gpu.capability >= _TENSOR_CORES_FROM)
    shapes = meta_tensors(arrays)
    recorder.arrays.given(shapes)
    with torch.inference_mode(), recorder.listening():
        _program(workload, case, recorder, own)(shapes)
    return gpu, recorder


def _gpu(target: Target) -> Gpu:
    """What is named, or what is here."""
    named = target.architecture is not None
    return chip_of(target if named else Target(target.platform, _here(target.platform)), Gpu)


def _here(platform: str) -> str | None:
    """The architecture of PyTorch's device of that platform: "sm_90", "gfx942"; None where there is none."""
    if not torch.cuda.is_available() or (torch.version.hip is not None) != (platform == "rocm"):
        return None
    if platform == "rocm":
        name: str = torch.cuda.get_device_properties().gcnArchName
        return name.partition(":")[0]
    major, minor = torch.cuda.get_device_capability()
    return f"sm_{major}{minor}"


def _example(platform: str) -> str:
    return "rocm:gfx942" if platform == "rocm" else "cuda:sm_90"
