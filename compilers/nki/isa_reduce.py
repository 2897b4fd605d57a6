"""Instructions of VectorE and GpSimd that reduce: along the free dimensions, and across the partitions."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneblock.compilers.chips.makers.neuron_cores import BN_STATS_FREE
from oneblock.compilers.nki import costs
from oneblock.compilers.nki.enums import ReduceCmd
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import SBUF, NkiTensor
from oneblock.compilers.nki.operands import (
    ARITHMETIC,
    REDUCTIONS,
    UNARY,
    alike,
    apply,
    argument,
    free,
    on_engine,
    operator,
    reads_of,
    scalar_or_column,
    store,
    wide,
)
from oneblock.compilers.nki.rules import require

_IDENTITY = {"add": 0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf}


def fold(name: str, x: np.ndarray) -> np.ndarray:
    """(P, n) -> (P, 1) by an operator, from the first element on; sums in NumPy's own order."""
    if name == "add":
        return np.asarray(x.sum(axis=1, keepdims=True, dtype=np.float32))
    if name in ("maximum", "minimum"):
        return np.asarray(ARITHMETIC[name].reduce(x, axis=1, keepdims=True))  # type: ignore[attr-defined]
    values = x[:, :1]
    for i in range(1, x.shape[1]):
        values = apply(name, values, x[:, i : i + 1])
    return values


def column(role: str, tensor: Any, like: NkiTensor) -> NkiTensor:
    """An output tile (P, 1): one element a partition."""
    found = on_engine(role, tensor)
    expected = f"[{like.shape[0]}, 1]"
    require((found.shape[0], free(found)) == (like.shape[0], 1), f"shape of {role}", expected, list(found.shape))
    return found


@instruction
def tensor_reduce(
    machine: Machine, dst: NkiTensor, op: Any, data: NkiTensor, axis: Any, negate: bool = False, keepdims: bool = False
) -> None:
    """dst (P, 1) or (P, F) = op over the last free dimensions of data (P, F), which `axis` lists to the very last."""
    on_engine("data", data)
    on_engine("dst", dst)
    name = operator("op of a reduction", op, REDUCTIONS)
    axes = sorted(one % data.ndim for one in ([axis] if isinstance(axis, int) else axis))
    expected = f"the last free dimensions, up to {data.ndim - 1}"
    require(bool(axes) and axes == list(range(axes[0], data.ndim)) and axes[0] > 0, "axis", expected, axis)
    left = int(np.prod(data.shape[1 : axes[0]], dtype=int))
    require((dst.shape[0], free(dst)) == (data.shape[0], left), "shape of dst", f"{data.shape[0]} x {left}", dst.shape)
    rows = wide(data).reshape(data.shape[0] * left, -1)
    values = fold(name, rows).reshape(data.shape[0], left)
    store(dst, -values if negate else values)
    machine.issue("vector", [data], [dst], costs.streamed(data), flops=data.size)


@instruction
def tensor_scalar_reduce(
    machine: Machine, dst: NkiTensor, data: NkiTensor, op0: Any, operand0: Any, reduce_op: Any,
    reduce_res: NkiTensor | None = None, reverse0: bool = False, reduce_cmd: Any = ReduceCmd.reset_reduce,
    reduce_init: Any = None, reduce_res_negate: bool = False,
) -> None:  # fmt: skip
    """dst (P, F) = data (P, F) <op0> operand0, and its reduction over F, in registers, into reduce_res (P, 1)."""
    known = [name for name in (*ARITHMETIC, *UNARY) if name != "rsqrt"]  # which GpSimd has
    on_engine("data", data)
    on_engine("dst", dst)
    alike(data=data, dst=dst)
    require(not reverse0, "reverse0 of tensor_scalar_reduce", "False: it is not supported yet", reverse0)
    name, folded = operator("op0", op0, known), operator("reduce_op", reduce_op, list(_IDENTITY))
    require((reduce_cmd is ReduceCmd.load_reduce) == (reduce_init is not None), "reduce_init", "one, with load_reduce",
            f"{reduce_init!r} with {reduce_cmd.name}")  # fmt: skip
    values = apply(name, wide(data), argument("operand0", name, operand0, data))
    store(dst, values)
    start = _IDENTITY[folded] if reduce_init is None else scalar_or_column("reduce_init", reduce_init, data)
    accumulate(machine, folded, fold(folded, values), data, start, reduce_cmd)
    read_out(machine, reduce_res, data, reduce_res_negate)
    cycles = costs.streamed(data, dst) + (costs.READ_ACCUMULATOR if reduce_res is not None else 0)
    reads = reads_of(data, operand0, reduce_init)
    machine.issue("vector", reads, [dst, *reads_of(reduce_res)], cycles, flops=2 * data.size)


def accumulate(machine: Machine, name: str, values: np.ndarray, like: NkiTensor, start: Any, command: Any) -> None:
    """Take values (P, 1) into VectorE's registers, as `command` says; `start` is what a reset or a load puts there."""
    registers = machine.registers["vector"]
    if command is ReduceCmd.reset_reduce:
        registers.reset(start)
    elif command is ReduceCmd.load_reduce:
        registers.reset(np.nan)  # of the lanes that are not loaded nothing is known
        registers.lanes(like)[...] = start
    else:
        require(command is ReduceCmd.reduce, "reduce_cmd", "reset_reduce, reduce or load_reduce", command.name)
    held = registers.lanes(like)
    held[...] = apply(name, held, values)


def read_out(machine: Machine, reduce_res: NkiTensor | None, data: NkiTensor, negate: bool) -> None:
    """Write the registers of an operand's lanes to a tile (P, 1), if one is given."""
    if reduce_res is not None:
        held = machine.registers["vector"].lanes(data)
        store(column("reduce_res", reduce_res, data), -held if negate else held)


@instruction
def tensor_partition_reduce(machine: Machine, dst: NkiTensor, op: Any, data: NkiTensor) -> None:
    """dst (1, F) = op across the partitions of data (P, F), by GpSimd."""
    on_engine("data", data, (SBUF,))
    on_engine("dst", dst, (SBUF,))
    name = operator("op", op, ("add", "maximum"))
    require((dst.shape[0], free(dst)) == (1, free(data)), "shape of dst", f"1 x {free(data)}", list(dst.shape))
    store(dst, fold(name, wide(data).T).T)
    machine.issue("gpsimd", [data], [dst], costs.streamed(data), flops=data.size)


@instruction
def bn_stats(machine: Machine, dst: NkiTensor, data: NkiTensor) -> None:
    """dst (P, 6) = count, mean and variance * count of the even elements of a partition, then of the odd ones."""
    on_engine("data", data)
    on_engine("dst", dst)
    require(free(data) <= BN_STATS_FREE, "elements of bn_stats", f"at most {BN_STATS_FREE}", free(data))
    require((dst.shape[0], free(dst)) == (data.shape[0], 6), "shape of dst", f"[{data.shape[0]}, 6]", list(dst.shape))
    x = wide(data)
    parts = []
    for half in (x[:, 0::2], x[:, 1::2]):
        n = half.shape[1]
        mean = half.mean(axis=1, keepdims=True) if n else np.zeros((len(x), 1), np.float32)
        parts += [np.full_like(mean, n), mean, ((half - mean) ** 2).sum(axis=1, keepdims=True)]
    store(dst, np.concatenate(parts, axis=1))
    machine.issue("vector", [data], [dst], costs.streamed(data), flops=4 * data.size)


@instruction
def bn_aggr(machine: Machine, dst: NkiTensor, data: NkiTensor) -> None:
    """dst (P, 2) = mean and variance, from any number of (count, mean, variance * count) a partition."""
    on_engine("data", data)
    on_engine("dst", dst)
    require(free(data) % 3 == 0, "elements of bn_aggr", "a multiple of three", free(data))
    require((dst.shape[0], free(dst)) == (data.shape[0], 2), "shape of dst", f"[{data.shape[0]}, 2]", list(dst.shape))
    counts, means, spreads = np.moveaxis(wide(data).reshape(data.shape[0], -1, 3), 2, 0)
    total = counts.sum(axis=1, keepdims=True)
    mean = (counts * means).sum(axis=1, keepdims=True) / total
    spread = (spreads + counts * (means - mean) ** 2).sum(axis=1, keepdims=True)
    store(dst, np.concatenate([mean, spread / total], axis=1))
    machine.issue("vector", [data], [dst], costs.streamed(data), flops=3 * data.size)
