"""What each call of a fused Relax program moves: the arrays that it is given and makes, each whole and once.

Of a call that writes in place what it writes is as much as it reads: it copies one array into a part of another.

A function that only reshapes moves nothing: TVM's own analysis says so, and its pipeline makes a view of it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import tvm
from tvm import relax

from oneblock.compilers.api.traffic import Direction, Transfer
from oneblock.compilers.tvm.lowering import CALLS


def transfers(module: tvm.IRModule) -> list[list[Transfer]]:
    """Of each call of a function of tensor IR in "main", in order; the step is left to who knows it."""
    main = module["main"]
    bindings = [one for block in main.body.blocks for one in block.bindings]
    results = {_name(value) for one in bindings if isinstance(one.value, relax.Tuple) for value in one.value.fields}
    memory = {  # what is written in place has a name of its own from then on
        one.var.name: _name(one.value.args[1].fields[0])
        for one in bindings
        if _is_call(one.value) and one.value.op.name == "relax.call_tir_inplace"
    }
    found = [_of(one.var, one.value, module, results) for one in bindings if _is_call(one.value)]
    return [[replace(move, array=memory.get(move.array, move.array)) for move in moves] for moves in found]


def _is_call(value: Any) -> bool:
    return isinstance(value, tvm.ir.Call) and value.op.name in CALLS


def _of(made: Any, call: Any, module: tvm.IRModule, results: set[str]) -> list[Transfer]:
    function = call.args[0]
    if relax.analysis.has_reshape_pattern(module[function]):
        return []

    def moved(array: Any, direction: Direction, reason: str) -> Transfer:
        return Transfer(_name(array), direction, function.name_hint, None, _bytes(array), 1, reason)

    if call.op.name == "relax.call_tir_inplace":
        cache, new, *_ = call.args[1].fields
        written = Transfer(_name(cache), "written", function.name_hint, None, _bytes(new), 1, "updated in place")
        return [moved(new, "read", "whole, once"), written]
    reads = {_name(array): array for array in call.args[1].fields}
    why = "result of the program" if made.name in results else "for calls after it"
    return [*(moved(array, "read", "whole, once") for array in reads.values()), moved(made, "written", why)]


def _name(array: Any) -> str:
    return str(array.name) if isinstance(array, relax.Var) else "a constant"


def _bytes(array: Any) -> int:
    of = array.ty
    kind = tvm.DataType(str(of.dtype))
    return prod(int(n) for n in of.shape) * ((int(kind.bits) * int(kind.lanes) + 7) // 8)
