"""TVM's Relax: a module lowered by named passes, its functions scheduled, built, and every stage kept as text.

The passes are those of TVM's own pipeline for a target, in its order, cut where a stage is to be read: after FuseTIR
each function is one kernel, and what a database says of it is applied there and nowhere else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import tvm
import tvm_ffi
from tvm import relax
from tvm.ir.instrument import pass_instrument
from tvm.s_tir import dlight
from tvm.s_tir import meta_schedule as ms

from oneblock.compilers import _relax_calls, tir_functions
from oneblock.compilers._artifact import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers._relax_calls import Binding, Body, Call

_GPU_SCHEDULES = ("Matmul", "GEMV", "Reduction", "GeneralReduction", "Fallback")
_builds: list[str] = []


def builds() -> int:
    """How many modules were built in this process."""
    return len(_builds)


def cpu_target(threads: int, processor: str | None = None) -> tvm.target.Target:
    """A processor as LLVM names it, by default this machine's."""
    name = processor or tvm.target.codegen.llvm_get_system_cpu()
    return tvm.target.Target({"kind": "llvm", "mcpu": name, "num-cores": threads})


def gpu_target(platform: str, architecture: str | None) -> tvm.target.Target:
    """A GPU that need not be here; the code that would start its kernels is for any x86-64."""
    options = {"kind": platform}
    if architecture is not None:
        options["mcpu" if platform == "rocm" else "arch"] = architecture
    return tvm.target.Target(options, host={"kind": "llvm", "mcpu": "x86-64"})


@dataclass(frozen=True)
class Fused:
    """A traced module, and what it comes to when each call is of one kernel."""

    traced: tvm.IRModule
    module: tvm.IRModule
    calls: tuple[Call, ...]
    target: tvm.target.Target
    steps: tuple[str, ...]

    @cached_property
    def tasks(self) -> list[Any]:
        """What a search can schedule: each different function once, with how often it is called."""
        with self.target:
            return list(ms.relax_integration.extract_tasks(self.module, self.target))


def fuse(traced: tvm.IRModule, target: tvm.target.Target, steps: Sequence[str]) -> Fused:
    """Lower and fuse; exponentials and hyperbolic tangents become polynomials, which vectorise."""
    with target:
        legal = tvm.transform.Sequential(
            [
                relax.transform.FastMathTransform(),
                *relax.pipeline.library_dispatch_passes(target),
                relax.transform.LegalizeOps(),
                relax.transform.AnnotateTIROpPattern(),
                relax.transform.FoldConstant(),
            ]
        )(traced)
        grouped = relax.transform.FuseOps()(legal)
        fused = tvm.transform.Sequential([relax.transform.FuseTIR(), relax.transform.DeadCodeElimination()])(grouped)
    calls = _relax_calls.calls(_bodies(legal), _bodies(grouped), steps)
    return Fused(traced, fused, calls, target, tuple(steps))


def schedule(fused: Fused, tuned: Any | None = None) -> tvm.IRModule:
    """The functions as searches had them scheduled; without those as TVM leaves them, on a GPU by its default rules."""
    module = fused.module
    with fused.target:
        if tuned is not None:
            with tuned.database:
                module = relax.transform.MetaScheduleApplyDatabase()(module)
        if fused.target.kind.name != "llvm":
            rules = [getattr(dlight.gpu, name)() for name in _GPU_SCHEDULES]
            module = dlight.ApplyDefaultSchedule(*rules)(module)
    return module


def build(scheduled: tvm.IRModule, target: tvm.target.Target) -> Any:
    """Machine code, and the instructions by which Relax's virtual machine calls it."""
    _builds.append("")
    return tvm.compile(scheduled, target, relax_pipeline=relax.get_pipeline("default_build"))


def captured(fused: Fused, scheduled: tvm.IRModule, built: Any, tuned: Any | None = None) -> Capture:
    """The capture of what was built; `tuned` is what it was scheduled by, see `tvm_tuned.Tuned`."""

    def capture(detail: Detail) -> Lowering:
        library = built.mod.imports[0]
        on_cpu = fused.target.kind.name == "llvm"
        stages = [
            Artifact(Stage.GRAPH, "relax", _text(fused.traced)),
            Artifact(Stage.LOWERED, "tir", _text(fused.module)),
        ]
        if detail is not Detail.BRIEF:
            stages.append(Artifact(Stage.OPTIMIZED, "tir-scheduled", _text(scheduled)))
            if tuned is not None:
                stages.append(Artifact(Stage.OPTIMIZED, "traces", _traces(fused, tuned)))
        if detail is Detail.ALL:
            stages += _passes(fused, tuned)
        if on_cpu and detail is not Detail.BRIEF:
            stages.append(Artifact(Stage.KERNEL, "llvm", library.inspect_source("ll")))
        # What would start a GPU's kernels is x86 code, and tells nothing of them.
        stages += [_source(device) for device in library.imports]
        assembly = library.inspect_source("asm") if on_cpu else ""
        facts = tir_functions.facts(fused.module, scheduled, fused.calls, assembly)
        facts = replace(facts, caveats=(*facts.caveats, *(tuned.caveats if tuned is not None else ())))
        if detail is Detail.BRIEF:
            return Lowering(tuple(stages), facts)
        machine, caveats = ([Artifact(Stage.MACHINE, "asm", assembly)], ()) if on_cpu else _machine(fused, library)
        return Lowering((*stages, *machine), replace(facts, caveats=(*facts.caveats, *caveats)))

    return capture


def _machine(fused: Fused, library: Any) -> tuple[list[Artifact], tuple[str, ...]]:
    """(a GPU's own code, where LLVM or its maker's compiler writes it here; why there is none)."""
    match fused.target.kind.name:
        case "rocm":
            return [Artifact(Stage.MACHINE, "amdgcn", device.inspect_source("asm")) for device in library.imports], ()
        case "cuda":
            return _ptx(library.imports[0].inspect_source("cuda"), str(fused.target.export()["arch"]))
    return [], ()


def _source(device: Any) -> Artifact:
    """The program of a GPU, as TVM writes it for the compiler of the GPU's maker."""
    return Artifact(Stage.KERNEL, "amdgpu-llvm" if device.kind == "hip" else device.kind, device.inspect_source(""))


def _ptx(source: str, architecture: str) -> tuple[list[Artifact], tuple[str, ...]]:
    """(NVRTC's PTX of the CUDA source, or nothing; why there is none), by NVRTC and its bindings for Python."""
    from tvm.support import nvcc

    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.bindings") is None:
        return [], ("no PTX: that takes NVRTC (pip install cuda-bindings nvidia-cuda-nvrtc-cu12) and CUDA's headers",)
    try:
        ptx = nvcc.compile_cuda(source, target_format="ptx", arch=architecture, compiler="nvrtc")
    except RuntimeError as error:
        return [], (f"no PTX: {' '.join(str(error).split())[:300]}",)
    return [Artifact(Stage.MACHINE, "ptx", bytes(ptx).decode())], ()


def _traces(fused: Fused, tuned: Any) -> str:
    """For each task the steps of its schedule, as TVM's own Python would make them."""
    parts = []
    for task in fused.tasks:
        record = tuned.database.query_tuning_record(task.dispatched[0], fused.target, task.task_name)
        origin = tuned.origins[task.task_name]
        title = f"# {task.task_name}, called {task.weight} times: found for {origin.target} on {origin.machine}"
        parts.append("\n".join([title, *record.trace.as_python()]) + "\n")
    return "\n".join(parts)


def _passes(fused: Fused, tuned: Any | None) -> list[Artifact]:
    """A table of all passes with their times, then the module after each that changed it. Builds once more."""
    rows = ["ms       changed  pass  (a time holds those of the passes within)"]
    kept: list[Artifact] = []

    @pass_instrument
    class Watch:
        """Told by TVM of every pass, before it and after it."""

        def __init__(self) -> None:
            self.started: list[tuple[float, int]] = []

        def run_before_pass(self, module: tvm.IRModule, info: Any) -> None:
            before = tvm_ffi.structural_hash(module)
            self.started.append((perf_counter(), before))

        def run_after_pass(self, module: tvm.IRModule, info: Any) -> None:
            took = perf_counter() - self.started[-1][0]
            changed = tvm_ffi.structural_hash(module) != self.started.pop()[1]
            number = len(rows) - 1
            rows.append(f"{took * 1e3:<8.3f} {'yes' if changed else '':<8} {number:03d} {info.name}")
            if changed:
                kept.append(Artifact(Stage.OPTIMIZED, f"tvm:{number:03d}.after.{info.name}", _text(module)))

    with tvm.transform.PassContext(opt_level=3, instruments=[Watch()]):
        again = fuse(fused.traced, fused.target, fused.steps)
        build(schedule(again, tuned), fused.target)
    return [Artifact(Stage.OPTIMIZED, "passes", "\n".join(rows) + "\n"), *kept]


def _text(module: tvm.IRModule) -> str:
    return str(module.script(show_meta=False))


def _bodies(module: tvm.IRModule) -> dict[str, Body]:
    """The functions of Relax in a module, by name, as plain data."""
    return {
        name.name_hint: _body(function)
        for name, function in module.functions.items()
        if isinstance(function, relax.Function)
    }


def _body(function: relax.Function) -> Body:
    bindings = []
    for block in function.body.blocks:
        for one in block.bindings:
            value = one.value
            if isinstance(value, relax.Tuple):
                callee, args = "tuple", value.fields
            elif isinstance(value, relax.TupleGetItem):
                callee, args = f"item {value.index}", [value.tuple_value]
            elif isinstance(value, tvm.ir.Call) and isinstance(value.op, tvm.ir.GlobalVar):
                callee, args = value.op.name_hint, value.args
            elif isinstance(value, tvm.ir.Call) and value.op.name == "relax.call_tir":
                callee, args = value.args[0].name_hint, value.args[1].fields
            else:
                callee, args = str(value), []
            bindings.append(Binding(one.var.name, callee, tuple(_name(arg) for arg in args)))
    return Body(tuple(var.name for var in function.params), tuple(bindings), _name(function.body.body))


def _name(expr: Any) -> str:
    return expr.name if isinstance(expr, relax.Var) else str(expr)
