"""Apache TVM: the program traced into Relax, its functions as TVM leaves them or as a search has scheduled them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from oneblock.backends._backend import Compiled, Device, Found, Kind, Unavailable, Unsupported
from oneblock.backends._host import HostCache
from oneblock.backends._target import Target
from oneblock.compilers import _tuned_store, _tvm_pins
from oneblock.compilers._amd_specs import AMD_GPUS
from oneblock.compilers._gpu_specs import gpu
from oneblock.compilers._search import Search, Tell
from oneblock.workloads._dtypes import DTYPES
from oneblock.workloads._ops import STEPS
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload

_NEEDS = {"xgb": "xgboost", "mlp": "torch", "random": None}
_LANGUAGES = {"opencl": "OpenCL", "metal": "Metal", "webgpu": "WebGPU"}


class RelaxExecutable:
    """A program of Relax's virtual machine on the CPU; it ends before a call returns."""

    timer = "perf_counter"

    def __init__(self, built: Any, inputs: list[str], outputs: list[str]) -> None:
        import tvm

        self.runtime, self.device = tvm.runtime, tvm.cpu()
        self.main = tvm.relax.VirtualMachine(built, self.device)["main"]
        self.inputs, self.outputs = inputs, outputs
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self.runtime.tensor(array, self.device) for name, array in arrays.items()}

    def call(self, args: Mapping[str, Any]) -> Outputs:
        return dict(zip(self.outputs, self.main(*(args[name] for name in self.inputs)), strict=True))

    def wait(self, out: Outputs) -> None:
        pass

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: x.numpy() for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        self.cache.flush(nbytes)

    def peak_bytes(self) -> int | None:
        return None


class TvmRelax:
    """The block through Relax: run on the CPU, compiled for GPUs."""

    name = "tvm_relax"
    ops_sets = ("plain", "native", "tuned")
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "rocm", "opencl", "metal", "webgpu")

    def probe(self, target: Target) -> Device:
        wrong = _tvm_pins.wrong()
        if wrong is not None:
            raise Unavailable(*wrong)
        if target.mesh is not None:
            raise Unsupported(f"{target}: tvm_relax compiles for one device: leave out @{target.mesh}")
        if target.platform == "cpu":
            return Device(Kind.MEASURED, "cpu")
        name = _name(target)
        if target.platform == "rocm":
            from oneblock.compilers import tvm_rocm

            if not tvm_rocm.ready():
                raise Unavailable(
                    "TVM's code for AMD's GPUs is linked with ROCm's bitcode, which is not here",
                    "pip install triton, whose wheel has it, or install ROCm",
                )
        return Device(Kind.COMPILED, name)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        kind = self.probe(target).kind
        from oneblock.compilers import relax

        fused, outputs = self._fused(workload, case, arrays, target, native=ops_set == "native")
        tuned = self._tuned(fused, target) if ops_set == "tuned" else None
        scheduled = relax.schedule(fused, tuned)
        built = relax.build(scheduled, fused.target)
        capture = relax.captured(fused, scheduled, built, tuned)
        if kind is Kind.COMPILED:
            return Compiled(None, capture)
        return Compiled(RelaxExecutable(built, list(arrays), outputs), capture)

    def tune(self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell) -> Found:
        if self.probe(target).kind is Kind.COMPILED and asked.rpc is None:
            raise Unavailable(
                f"a search measures its candidates, and {target} is not here",
                "search on a machine that has it, or name one with --rpc",
            )
        needs = _NEEDS[asked.cost_model]
        if needs is not None and importlib.util.find_spec(needs) is None:
            raise Unavailable(
                f"the cost model {asked.cost_model} needs {needs}, which is not installed",
                f"pip install {'xgboost-cpu' if needs == 'xgboost' else needs}, or search with --cost-model random",
            )
        from oneblock.compilers import tvm_search, tvm_tuned

        fused, _ = self._fused(workload, case, arrays, target, native=False)
        about = tvm_tuned.about(fused, cpu_name())
        folder = _tuned_store.root() / about.toolchain / about.target / f"seed-{asked.seed}"
        with _tuned_store.Store(folder, about, write=True) as store:
            tasks = tvm_search.search(fused, asked, store, threads(), tell)
        how = f"TVM's MetaSchedule, cost model {asked.cost_model}, seed {asked.seed}, {threads()} threads"
        return Found(Kind.MEASURED, how, tuple(tasks), str(folder))

    def _fused(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, *, native: bool
    ) -> tuple[Any, list[str]]:
        from oneblock.backends._relax.ops import trace
        from oneblock.compilers import relax

        on_cpu = target.platform == "cpu"
        where = relax.cpu_target(threads()) if on_cpu else relax.gpu_target(target.platform, target.architecture)
        traced, outputs = trace(workload, case, arrays, native=native)
        return relax.fuse(traced, where, STEPS), outputs

    def _tuned(self, fused: Any, target: Target) -> Any:
        """What searches found for the program; Unavailable names the functions that none has a schedule for."""
        from oneblock.compilers import tvm_tuned

        about = tvm_tuned.about(fused, cpu_name())
        try:
            tuned = tvm_tuned.find(fused, [_tuned_store.own(about), _tuned_store.shipped(about.toolchain)])
        except _tuned_store.StoreError as error:
            raise Unavailable(str(error), "`oneblock tune --help` says where schedules are kept") from error
        if tuned.missing:
            few = ", ".join(tuned.missing[:3]) + (", ..." if len(tuned.missing) > 3 else "")
            raise Unavailable(
                f"no search has found a schedule for {len(tuned.missing)} of {len(fused.tasks)} functions on "
                f"{about.target} ({few})",
                "search with the same workload and size: oneblock tune WORKLOAD --preset ... --phase ... -T ...",
            )
        return tuned

    def compilations(self) -> int:
        from oneblock.compilers import relax

        return relax.builds()


def _name(target: Target) -> str:
    """What a target for another machine is called; Unsupported offers those there are."""
    if target.platform not in ("cuda", "rocm"):
        return f"any device of {_LANGUAGES[target.platform]}"
    if target.architecture is None:
        example = "cuda:sm_90" if target.platform == "cuda" else "rocm:gfx942"
        raise Unavailable("tvm_relax compiles for a GPU that is named", f"name one, e.g. --target {example}")
    try:
        if target.platform == "cuda":
            return gpu(target.architecture, target.topology).name
        return AMD_GPUS[target.architecture].name
    except LookupError as error:
        raise Unsupported(str(error)) from error


def threads() -> int:
    """How many threads TVM's own pool will have: the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name, for people."""
    from cpuinfo import get_cpu_info

    return str(get_cpu_info().get("brand_raw", "unknown"))


BACKEND = TvmRelax()
