"""TVM's tensor IR: what a function does, how its loops are scheduled, and what became of it on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir.analysis import estimate_tir_flops

from oneblock.compilers.api.calls import TirCall
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.traffic import Traffic
from oneblock.compilers.dialects import x86 as _x86
from oneblock.compilers.tvm.calls import Call
from oneblock.compilers.tvm.traffic import transfers

_KINDS = {0: "serial", 1: "parallel", 2: "vectorized", 3: "unrolled", 4: "thread"}


def flops(function: Any) -> float:
    """TVM's own count: a multiplication, an addition, a comparison and an exponential are one each."""
    return float(estimate_tir_flops(tvm.IRModule({"main": function})))


def loops(function: Any) -> tuple[dict[str, int], int | None]:
    """(how many loops of each kind, the extent of the longest vectorised one)."""
    kinds: Counter[str] = Counter()
    lanes: list[int] = []

    def visit(loop: Any) -> None:
        kind = _KINDS[int(loop.kind)]
        kinds[kind] += 1
        if kind == "vectorized" and isinstance(loop.extent, tirx.IntImm):
            lanes.append(int(loop.extent))

    tvm_ffi.structural_walk(function.body, (tirx.For, visit))
    return dict(sorted(kinds.items())), max(lanes, default=None)


def facts(fused: tvm.IRModule, scheduled: tvm.IRModule, calls: Sequence[Call], assembly: str) -> Facts:
    """What can be counted of a program whose calls are these."""
    found, moved = [], []
    for call, moves in zip(calls, transfers(fused), strict=True):
        kinds, lanes = loops(scheduled[call.function])
        on_cpu = _x86.instructions(assembly, call.function)
        work = flops(fused[call.function])
        moved += [replace(move, step="+".join(call.steps) or None) for move in moves]
        one = TirCall(
            name=call.function, steps=call.steps, flops=work, loops=kinds, vector_lanes=lanes, instructions=on_cpu,
            hbm_bytes=float(sum(move.total_bytes for move in moves)),
        )  # fmt: skip
        found.append(one)
    claimed = sum(bool(one.steps) for one in found)
    traffic = Traffic("the arrays of TIR calls", tuple(moved))
    return Facts(
        hbm_bytes=float(traffic.steady_bytes),
        traffic=traffic,
        compiler_flops=sum(one.flops or 0.0 for one in found),
        operations=dict(Counter(one.name for one in found)),
        attributed=claimed / len(found) if found else None,
        calls=tuple(found),
        caveats=("TVM counts FLOPs before scheduling, copies as none and an exponential as one",),
    )
