"""What Relax and TVM made of a program as people read it: stages as text, passes with their time, and the facts."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from time import perf_counter
from typing import Any

import tvm
import tvm_ffi
from tvm.ir.instrument import pass_instrument

from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.tvm import functions as tir_functions
from oneblock.compilers.tvm.lowering import FusedModule, build, fuse, schedule
from oneblock.compilers.tvm.step_comments import with_steps


def captured(fused: FusedModule, scheduled: tvm.IRModule, built: Any, tuned: Any | None = None) -> Capture:
    """The capture of what was built; `tuned` is what it was scheduled by, see `tvm_tuned.Tuned`."""

    def capture(detail: Detail) -> Lowering:
        library = built.mod.imports[0]
        on_cpu = fused.target.kind.name == "llvm"
        stages = [
            Artifact(Stage.GRAPH, "relax", _text(fused.traced)),
            Artifact(Stage.LOWERED, "tir", with_steps(_text(fused.module), fused.calls)),
        ]
        if detail is not Detail.BRIEF:
            stages.append(Artifact(Stage.OPTIMIZED, "tir-scheduled", with_steps(_text(scheduled), fused.calls)))
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


def _machine(fused: FusedModule, library: Any) -> tuple[list[Artifact], tuple[str, ...]]:
    """(a GPU's own code, where LLVM or its maker's compiler writes it here; why there is none)."""
    match fused.target.kind.name:
        case "rocm":
            return [Artifact(Stage.MACHINE, "amdgcn", device.inspect_source("asm")) for device in library.imports], ()
        case "cuda":
            return _ptx(library.imports[0].inspect_source("cuda"), fused.target)
    return [], ()


def _source(device: Any) -> Artifact:
    """The program of a GPU, as TVM writes it for the compiler of the GPU's maker."""
    return Artifact(Stage.KERNEL, "amdgpu-llvm" if device.kind == "hip" else device.kind, device.inspect_source(""))


def _ptx(source: str, target: tvm.target.Target) -> tuple[list[Artifact], tuple[str, ...]]:
    """(PTX of the CUDA source, or nothing; why there is none), by NVRTC through its bindings for Python, or by nvcc."""
    from tvm.support import nvcc

    nvrtc = importlib.util.find_spec("cuda") is not None and importlib.util.find_spec("cuda.bindings") is not None
    if not nvrtc and shutil.which("nvcc") is None:
        mend = "pip install cuda-bindings nvidia-cuda-nvrtc-cu12, and CUDA's headers; or nvcc, on the path"
        return [], (f"no PTX: that takes NVRTC or nvcc ({mend})",)
    by = "nvrtc" if nvrtc else "nvcc"
    architecture = str(target.export()["arch"])
    try:
        with target:  # which nvcc's caller asks for, beside the architecture
            ptx = nvcc.compile_cuda(source, target_format="ptx", arch=architecture, compiler=by)
    except RuntimeError as error:
        said = str(error).rpartition("Compilation error:")[2]  # what stands before it is the source
        return [], (f"no PTX by {by}: {' '.join(said.split())[:300]}",)
    return [Artifact(Stage.MACHINE, "ptx", bytes(ptx).decode())], ()


def _traces(fused: FusedModule, tuned: Any) -> str:
    """For each task the steps of its schedule, as TVM's own Python would make them."""
    parts = []
    for task in fused.tasks:
        record = tuned.database.query_tuning_record(task.dispatched[0], fused.target, task.task_name)
        origin = tuned.origins[task.task_name]
        title = f"# {task.task_name}, called {task.weight} times: found for {origin.target} on {origin.machine}"
        parts.append("\n".join([title, *record.trace.as_python()]) + "\n")
    return "\n".join(parts)


def _passes(fused: FusedModule, tuned: Any | None) -> list[Artifact]:
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
