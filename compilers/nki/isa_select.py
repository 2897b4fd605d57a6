"""Instructions that choose between elements: by position, by bounds, by a predicate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oneblock.compilers.nki import costs
from oneblock.compilers.nki.dtypes import FLOATS, converted
from oneblock.compilers.nki.elements import elements, read, states, write
from oneblock.compilers.nki.enums import ReduceCmd
from oneblock.compilers.nki.isa_reduce import accumulate, read_out
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import SBUF, NkiTensor
from oneblock.compilers.nki.operands import (
    ARITHMETIC,
    alike,
    free,
    not_both_in_psum,
    on_engine,
    operator,
    reads_of,
    scalar_or_column,
    store,
    wide,
)
from oneblock.compilers.nki.rules import require

FP32_MIN = -3.4028234663852886e38
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_PREDICATES = ("uint8", "uint16", "uint32")


def affine(partitions: int, pattern: Sequence[Sequence[int]], offset: int, channel_multiplier: int) -> np.ndarray:
    """(P, n) = offset + partition * channel_multiplier + the pattern [[step, count], ...], the last count fastest."""
    require(1 <= len(pattern) <= 4, "dimensions of a pattern", "1 to 4", len(pattern))
    values = np.zeros((1,), np.int64)
    for step, count in pattern:
        values = (values[:, None] + step * np.arange(count)[None, :]).reshape(-1)
    found = offset + channel_multiplier * np.arange(partitions)[:, None] + values[None, :]
    inside = bool((np.abs(found) < 2**31).all())
    require(inside, "affine values", "within 32 bits", f"up to {np.abs(found).max()}")
    return found


def _fits(pattern: Sequence[Sequence[int]], dst: NkiTensor) -> None:
    count = int(np.prod([n for _, n in pattern], dtype=int))
    require(count == free(dst), "elements of the pattern", f"{free(dst)}, as of a partition of dst", count)


@instruction
def iota(
    machine: Machine, dst: NkiTensor, pattern: Sequence[Sequence[int]], offset: int = 0, channel_multiplier: int = 0
) -> None:
    """dst (P, F) = offset + partition * channel_multiplier + pattern, in 32-bit integers and then dst's dtype."""
    on_engine("dst", dst, (SBUF,))
    _fits(pattern, dst)
    values = affine(dst.shape[0], pattern, offset, channel_multiplier)
    write(dst, values.astype(elements(dst).dtype))
    machine.issue("gpsimd", [], [dst], costs.streamed(dst), flops=0)


@instruction
def affine_select(
    machine: Machine, dst: NkiTensor, pattern: Sequence[Sequence[int]], channel_multiplier: int,
    on_true_tile: NkiTensor, on_false_value: float, cmp_op: Any = None, offset: int = 0,
) -> None:  # fmt: skip
    """dst (P, F) = on_true_tile where cmp_op(affine value, 0) (default: equal), else on_false_value; by GpSimd."""
    on_engine("on_true_tile", on_true_tile, (SBUF,))
    on_engine("dst", dst, (SBUF,))
    alike(on_true_tile=on_true_tile, dst=dst)
    _fits(pattern, dst)
    require(isinstance(on_false_value, int | float), "on_false_value", "a number", type(on_false_value).__name__)
    name = "equal" if cmp_op is None else operator("cmp_op", cmp_op, _COMPARISONS)
    values = affine(dst.shape[0], pattern, offset, channel_multiplier)
    chosen = ARITHMETIC[name](values, 0).astype(bool)
    bits = read(on_true_tile).reshape(chosen.shape) if on_true_tile.dtype == dst.dtype else None
    true = converted(wide(on_true_tile), dst.dtype) if bits is None else bits
    write(dst, np.where(chosen, true, converted(np.full(1, on_false_value, np.float32), dst.dtype)))
    machine.issue("gpsimd", [on_true_tile], [dst], costs.streamed(dst, on_true_tile))


@instruction
def range_select(
    machine: Machine, dst: NkiTensor, on_true_tile: NkiTensor, comp_op0: Any, comp_op1: Any,
    bound0: NkiTensor, bound1: NkiTensor, reduce_cmd: Any = ReduceCmd.reset_reduce,
    reduce_res: NkiTensor | None = None, reduce_op: Any = None, range_start: int = 0, on_false_value: float = FP32_MIN,
) -> None:  # fmt: skip
    """dst (P, F) = on_true_tile where range_start + index passes both, else FP32_MIN; its maximum; from v3 on."""
    require(machine.generation.number >= 3, "range_select", "v3 or later", machine.generation.name)
    on_engine("on_true_tile", on_true_tile)
    on_engine("dst", dst)
    alike(on_true_tile=on_true_tile, dst=dst)
    require(on_true_tile.dtype in FLOATS, "dtype of on_true_tile", " or ".join(FLOATS), on_true_tile.dtype)
    require(np.float32(on_false_value) == np.float32(FP32_MIN), "on_false_value", FP32_MIN, on_false_value)
    if reduce_op is not None:
        operator("reduce_op", reduce_op, ("maximum",))
    allowed = tuple(name for name in _COMPARISONS if name != "not_equal")
    index = np.float32(range_start) + np.arange(free(dst), dtype=np.float32)[None, :]
    chosen = np.ones((dst.shape[0], free(dst)), bool)
    for op, bound, role in ((comp_op0, bound0, "bound0"), (comp_op1, bound1, "bound1")):
        require(isinstance(bound, NkiTensor), role, "a float32 tile [P, 1]", type(bound).__name__)
        limit = scalar_or_column(role, bound, on_true_tile)
        chosen &= ARITHMETIC[operator("comparison", op, allowed)](index, limit).astype(bool)
    values = np.where(chosen, wide(on_true_tile), np.float32(FP32_MIN))
    store(dst, values)
    _keep_maximum(machine, values, dst, reduce_cmd)
    read_out(machine, reduce_res, dst, negate=False)
    writes = [dst, *reads_of(reduce_res)]
    machine.issue("vector", [on_true_tile, bound0, bound1], writes, costs.streamed(dst), flops=dst.size)


@instruction
def tensor_copy_predicated(
    machine: Machine, dst: NkiTensor, src: Any, predicate: NkiTensor, reverse_pred: bool = False
) -> None:
    """dst (P, F) = src where the predicate (P, F) is not zero; elsewhere dst stays as it is."""
    on_engine("predicate", predicate)
    on_engine("dst", dst)
    alike(predicate=predicate, dst=dst)
    require(predicate.dtype in _PREDICATES, "dtype of predicate", " or ".join(_PREDICATES), predicate.dtype)
    values: Any = src
    if isinstance(src, NkiTensor):
        on_engine("src", src)
        alike(src=src, dst=dst)
        not_both_in_psum(src=src, predicate=predicate)
        require(src.dtype == dst.dtype, "dtype of src", dst.dtype, src.dtype)
        values = read(src).reshape(dst.shape)
    chosen = (read(predicate) != 0).reshape(dst.shape) ^ reverse_pred
    if not chosen.all():  # what stays as it is has to be something
        kept = states(dst)[~chosen]
        require(bool(kept.all()), "read before it is written", "elements that stay were written", "unwritten ones")
    write(dst, np.where(chosen, values, elements(dst)).astype(elements(dst).dtype))
    machine.issue("vector", reads_of(src, predicate, dst), [dst], costs.streamed(dst, inputs=2))


@instruction
def select_reduce(
    machine: Machine, dst: NkiTensor, predicate: NkiTensor, on_true: NkiTensor, on_false: Any,
    reduce_res: NkiTensor | None = None, reduce_cmd: Any = ReduceCmd.idle, reduce_op: Any = None,
    reverse_pred: bool = False,
) -> None:  # fmt: skip
    """dst (P, F) = on_true where the predicate is not zero, else on_false; with a command, also its maximum (P, 1)."""
    for role, one in (("predicate", predicate), ("on_true", on_true), ("dst", dst)):
        on_engine(role, one)
    alike(predicate=predicate, on_true=on_true, dst=dst)
    not_both_in_psum(on_true=on_true, predicate=predicate)
    integer = ("int8", "uint8", "int16", "uint16")
    require(predicate.dtype in integer, "dtype of predicate", " or ".join(integer), predicate.dtype)
    require(on_true.dtype not in ("int32", "uint32"), "dtype of on_true", "no 32-bit integer", on_true.dtype)
    if reduce_op is not None:
        operator("reduce_op", reduce_op, ("maximum",))
    chosen = (wide(predicate) != 0) ^ reverse_pred
    values = np.where(chosen, wide(on_true), scalar_or_column("on_false", on_false, on_true, dtypes=()))
    store(dst, values)
    if reduce_cmd is not ReduceCmd.idle:
        _keep_maximum(machine, values, dst, reduce_cmd)
        read_out(machine, reduce_res, dst, negate=False)
    else:
        machine.registers["vector"].values = None  # "may still be modified"
        require(reduce_res is None, "reduce_res", "none with reduce_cmd idle", "a tile")
    writes = [dst, *reads_of(reduce_res)]
    machine.issue("vector", reads_of(predicate, on_true, on_false), writes, costs.streamed(dst, inputs=2))


def _keep_maximum(machine: Machine, values: np.ndarray, like: NkiTensor, command: Any) -> None:
    require(command is not ReduceCmd.load_reduce, "reduce_cmd", "reset_reduce or reduce", "load_reduce")
    accumulate(machine, "maximum", values.max(axis=1, keepdims=True), like, -np.inf, command)
