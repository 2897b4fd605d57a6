"""TVM's Relax: a module lowered by named passes, its functions scheduled, and built.

The passes are those of TVM's own pipeline that have something to do in a block, in its order, cut where a stage is to
be read: after FuseTIR each function is one kernel, and what a search found for it is applied there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tvm
from tvm import relax
from tvm.s_tir import dlight
from tvm.s_tir import meta_schedule as ms

from oneblock.compilers.tvm.calls import Binding, Body, Call, calls_after_fusing

CALLS = ("relax.call_tir", "relax.call_tir_inplace")  # of functions of tensor IR
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


def cuda_here() -> tuple[Any, str, str] | None:
    """(the CUDA device that is here, its architecture as "sm_90", its name); None where TVM sees none."""
    if not tvm.runtime.enabled("cuda"):
        return None
    device = tvm.cuda(0)
    if not device.exist:
        return None
    return device, "sm_" + str(device.compute_version).replace(".", ""), str(device.device_name)


@dataclass(frozen=True)
class FusedModule:
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


def fuse(traced: tvm.IRModule, target: tvm.target.Target, steps: Sequence[str]) -> FusedModule:
    """Lower and fuse; exponentials and hyperbolic tangents become polynomials, which vectorise."""
    with target:
        legal = tvm.transform.Sequential(
            [
                relax.transform.FastMathTransform(),
                relax.transform.LegalizeOps(),
                relax.transform.AnnotateTIROpPattern(),
                relax.transform.FoldConstant(),
            ]
        )(traced)
        grouped = relax.transform.FuseOps()(legal)
        fused = tvm.transform.Sequential([relax.transform.FuseTIR(), relax.transform.DeadCodeElimination()])(grouped)
    calls = calls_after_fusing(_bodies(legal), _bodies(grouped), steps)
    return FusedModule(traced, fused, calls, target, tuple(steps))


def schedule(fused: FusedModule, tuned: Any | None = None) -> tvm.IRModule:
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
            elif isinstance(value, tvm.ir.Call) and value.op.name in CALLS:
                callee, args = value.args[0].name_hint, value.args[1].fields
            else:
                callee, args = str(value), []
            bindings.append(Binding(one.var.name, callee, tuple(_name(arg) for arg in args)))
    return Body(tuple(var.name for var in function.params), tuple(bindings), _name(function.body.body))


def _name(expr: Any) -> str:
    return expr.name if isinstance(expr, relax.Var) else str(expr)
