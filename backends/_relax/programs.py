"""Apache TVM: the program traced into Relax, its functions as TVM leaves them or as a search has scheduled them."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from functools import cache, partial
from typing import Any, ClassVar

from oneblock.backends._relax.executable import RelaxExecutable
from oneblock.backends._relax.ops import RelaxNativeOps, RelaxOps, trace
from oneblock.backends.api.backend import Availability, Compiled, TuningResult, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import TrnSource
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.api.search import Search, Tell
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.tvm import loops, measure, rocm, search, stages, store, trn
from oneblock.compilers.tvm import lowering as relax
from oneblock.compilers.tvm import tuned as tuned_schedules
from oneblock.compilers.tvm.passes import RelaxPasses
from oneblock.workloads._workload import Arrays, Case, Phase, Workload
from oneblock.workloads.ops.definitions import STEPS

_NEEDS = {"xgb": "xgboost", "mlp": "torch", "random": None}
_INSTALLED_BY = {"xgboost": "'oneblock[tvm-relax]'"}  # of two distributions the one that has wheels here
_LANGUAGES = {"opencl": "OpenCL", "metal": "Metal", "webgpu": "WebGPU"}


class Programs:
    """The block through Relax: run on the CPU and on a CUDA device that is here, compiled for other GPUs."""

    OPS: ClassVar = {"plain": RelaxOps, "tuned": RelaxOps, "native": RelaxNativeOps}

    def probe(self, target: Target) -> Availability:
        if target.mesh is not None:
            raise Unsupported(f"{target}: tvm_relax compiles for one device: leave out @{target.mesh}")
        if target.platform == "cpu":
            return Availability(Kind.MEASURED, "cpu")
        here = _cuda_here(target)
        if here is not None:
            return Availability(Kind.MEASURED, here[2])
        if target.platform == "rocm" and not rocm.ready():
            raise Unavailable(
                "TVM's code for AMD's GPUs is linked with ROCm's bitcode, which is not here",
                "pip install triton, whose wheel has it, or install ROCm",
            )
        return Availability(Kind.COMPILED, _name(target))

    def trn_source(self) -> TrnSource:
        return trn.source()

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        kind = self.probe(target).kind
        if ops_set == "tuned" and kind is Kind.COMPILED:
            raise Unsupported(f"{target}: schedules are found by measuring, and it is not here; tuned is for the CPU")
        fused, outputs = self._fused(workload, case, arrays, target, native=ops_set == "native")
        tuned = self._tuned(fused, _command(workload, case, arrays)) if ops_set == "tuned" else None
        scheduled = relax.schedule(fused, tuned)
        built = relax.build(scheduled, fused.target)
        capture = stages.captured(fused, scheduled, built, tuned)
        if kind is Kind.COMPILED:
            return Compiled(None, capture)
        here = _cuda_here(target)
        device = None if here is None else here[0]
        return Compiled(RelaxExecutable(built, device, list(arrays), outputs), capture)

    def compile_layer(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        if ops_set != "plain":
            return self.compile(workload, case, arrays, ops_set, target)
        fused, outputs = self._fused(workload, case, arrays, target, native=False)
        scheduled = loops.in_order_of_memory(fused.module)
        built = relax.build(scheduled, fused.target)
        return Compiled(RelaxExecutable(built, None, list(arrays), outputs), stages.captured(fused, scheduled, built))

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        if self.probe(target).kind is Kind.COMPILED:
            raise Unavailable(
                f"a search measures its candidates, and {target} is not here",
                "search for --target cpu, here or on the host that --rpc names, or on a machine with that GPU",
            )
        if asked.rpc is not None and target.platform != "cpu":
            raise Unsupported(f"{target}: through --rpc a search measures on the processor of the other host")
        needs = _NEEDS[asked.cost_model]
        if needs is not None and importlib.util.find_spec(needs) is None:
            raise Unavailable(
                f"the cost model {asked.cost_model} needs {needs}, which is not installed",
                f"pip install {_INSTALLED_BY.get(needs, needs)}, or search with --cost-model random",
            )
        try:
            there = None if asked.rpc is None else measure.remote_cpu(asked.rpc)
        except Exception as error:
            raise Unavailable(
                f"no host answers at {asked.rpc}: {type(error).__name__}: {error}",
                "start `python -m tvm.exec.rpc_tracker`, and on the host `python -m tvm.exec.rpc_server --tracker "
                "HOST:PORT --key KEY`",
            ) from error
        fused, _ = self._fused(workload, case, arrays, target, native=False, processor=there)
        about = tuned_schedules.about(fused, asked.rpc or cpu_name())
        folder = store.root() / about.toolchain / about.target / f"seed-{asked.seed}"
        with store.Store(folder, about, write=True) as kept:
            tasks = search.search(fused, asked, kept, threads(), tell)
        spent = tuned_schedules.spent_s(fused, about)  # with what other seeds took: the winner may be one of theirs
        tasks = [replace(task, spent_s=spent[task.name]) for task in tasks]
        how = f"TVM's MetaSchedule, cost model {asked.cost_model}, seed {asked.seed}, {threads()} threads"
        return TuningResult(Kind.MEASURED, how, tuple(tasks), str(folder))

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        if ops_set == "tuned" or self.probe(target).kind is Kind.COMPILED:
            raise Unsupported(f"{target}, {ops_set}: passes are searched where the plain or native program runs")
        where, traced, outputs = self._traced(workload, case, arrays, target, native=ops_set == "native")
        here = _cuda_here(target)
        run = partial(RelaxExecutable, device=here and here[0], inputs=list(arrays), outputs=outputs)
        return RelaxPasses(traced, where, STEPS, run)

    def _fused(self, *what: Any, **how: Any) -> tuple[Any, list[str]]:
        where, traced, outputs = self._traced(*what, **how)
        return relax.fuse(traced, where, STEPS), outputs

    def _traced(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, *, native: bool,
        processor: str | None = None,
    ) -> tuple[Any, Any, list[str]]:  # fmt: skip
        on_cpu = target.platform == "cpu"
        here = _cuda_here(target)
        architecture = target.architecture if here is None else here[1]
        gpu = target.platform, architecture
        where = relax.cpu_target(threads(), processor) if on_cpu else relax.gpu_target(*gpu)
        return where, *trace(workload, case, arrays, native=native)

    def _tuned(self, fused: Any, asked: str) -> Any:
        """What searches found for the program; Unavailable names functions that none has a schedule for."""
        about = tuned_schedules.about(fused, cpu_name())
        try:
            tuned = tuned_schedules.find(fused, about)
        except store.StoreError as error:
            raise Unavailable(str(error), "`oneblock tune --help` says where schedules are kept") from error
        if tuned.missing:
            few = ", ".join(tuned.missing[:3]) + (", ..." if len(tuned.missing) > 3 else "")
            raise Unavailable(
                f"no search has found a schedule for {len(tuned.missing)} of {len(fused.tasks)} functions on "
                f"{about.target} ({few})",
                asked,
            )
        return tuned

    def compilations(self) -> int:
        return relax.builds()


def _cuda_here(target: Target) -> tuple[Any, str, str] | None:
    """The CUDA device that is here, if it is what the target means."""
    if target.platform != "cuda" or target.topology is not None:
        return None
    here = relax.cuda_here()
    return here if here is not None and target.architecture in (None, here[1]) else None


def _command(workload: Workload, case: Case, arrays: Arrays) -> str:
    """The command that searches for a program."""
    size = f"-T {case.T}" if case.phase is Phase.PREFILL else f"-S {case.S}"
    dtype = next(iter(arrays.values())).dtype
    return (
        f"oneblock tune {workload.name} --preset {case.config.name} --phase {case.phase} -B {case.B} {size} "
        f"--dtype {dtype} --threads {threads()}"
    )


def _name(target: Target) -> str:
    """What a target for another machine is called; Unsupported offers those there are."""
    if target.platform not in ("cuda", "rocm"):
        return f"any device of {_LANGUAGES[target.platform]}"
    if target.architecture is None:
        example = "cuda:sm_90" if target.platform == "cuda" else "rocm:gfx942"
        raise Unavailable("tvm_relax compiles for a GPU that is named", f"name one, e.g. --target {example}")
    return chip_of(target, Gpu).name


def threads() -> int:
    """How many threads TVM's own pool will have: the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def cpu_name() -> str:
    """The processor's name, for people."""
    from cpuinfo import get_cpu_info

    return str(get_cpu_info().get("brand_raw", "unknown"))
