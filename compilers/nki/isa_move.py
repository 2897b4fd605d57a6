"""Instructions that move: DMA between HBM and SBUF, copies on the chip, constants, shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oneblock.compilers.nki import costs
from oneblock.compilers.nki.dtypes import FLOATS, converted
from oneblock.compilers.nki.elements import elements, read, states, write
from oneblock.compilers.nki.enums import DgeMode, Engine, OobMode
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import PSUM, NkiTensor
from oneblock.compilers.nki.operands import alike, free, on_engine
from oneblock.compilers.nki.rules import require

_AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 1, 2, 0)}
_QUADRANT = 32
_UNCHANGED = 255


@instruction
def dma_copy(
    machine: Machine, dst: NkiTensor, src: NkiTensor, priority: int | None = None, oob_mode: Any = OobMode.error,
    dge_mode: Any = DgeMode.unknown, engine: Any = Engine.unknown,
) -> None:  # fmt: skip
    """dst (...) = src (...), between HBM and SBUF or within either; another dtype is reached through float32."""
    _by_dma(machine, dst, src)
    require(priority is None or machine.generation.number >= 4, "priority", "v4 or later", machine.generation.name)
    require(dge_mode is not DgeMode.hwdge or machine.generation.number >= 3, "dge_mode hwdge", "v3 or later",
            machine.generation.name)  # fmt: skip
    require(dst.size == src.size, "elements of dst", f"{src.size}, as of src", dst.size)
    values = read(src).reshape(-1)
    if src.dtype != dst.dtype:
        values = converted(values.astype(np.float32), dst.dtype)
    write(dst, values)
    _issue(machine, dst, src)


@instruction
def dma_transpose(
    machine: Machine, dst: NkiTensor, src: NkiTensor, axes: Sequence[int] | None = None, priority: int | None = None,
    dge_mode: Any = DgeMode.unknown, oob_mode: Any = OobMode.error,
) -> None:  # fmt: skip
    """dst = src (A, B), (A, B, C) or (A, B, C, D) with its dimensions as (1, 0), (2, 1, 0) or (3, 1, 2, 0)."""
    _by_dma(machine, dst, src)
    require(dst.on_chip, "dst of a DMA transpose", "a tile in SBUF", dst.buffer)
    require(src.ndim in _AXES, "dimensions of src", "2 to 4", src.ndim)
    order = _AXES[src.ndim] if axes is None else tuple(axes)
    require(order == _AXES[src.ndim], "axes", _AXES[src.ndim], order)
    require(dst.dtype == src.dtype, "dtype of dst", src.dtype, dst.dtype)
    shape = tuple(src.shape[axis] for axis in order)
    require(dst.shape == shape, "shape of dst", list(shape), list(dst.shape))
    require(priority is None or machine.generation.number >= 4, "priority", "v4 or later", machine.generation.name)
    allowed = (DgeMode.unknown, DgeMode.hwdge)
    require(dge_mode in allowed, "dge_mode of a transpose", "unknown or hwdge", dge_mode.name)
    if dge_mode is DgeMode.hwdge:
        _by_hardware(machine, src)
    write(dst, read(src).transpose(order))
    _issue(machine, dst, src)


def _by_hardware(machine: Machine, src: NkiTensor) -> None:
    """What a transpose by the hardware's descriptor engine asks of its source."""
    require(machine.generation.number >= 3, "dge_mode hwdge", "v3 or later", machine.generation.name)
    require(elements(src).itemsize == 2, "dtype of a hardware DGE transpose", "2 bytes", src.dtype)
    require(src.shape[-1] <= 128, "last dimension of a hardware DGE transpose", "at most 128", src.shape[-1])
    rows, what = src.shape[0], "first dimension of a hardware DGE transpose"
    if src.ndim == 2:
        require(rows == 16, what, 16, rows)
    else:
        require(rows in (1, 2, 4, 8, 16), what, "1, 2, 4, 8 or 16", rows)
        require(rows * src.shape[-2] % 16 == 0, f"{what}, times the last but one", "a multiple of 16",
                rows * src.shape[-2])  # fmt: skip


def _by_dma(machine: Machine, dst: NkiTensor, src: NkiTensor) -> None:
    for role, one in (("dst", dst), ("src", src)):
        require(isinstance(one, NkiTensor), f"{role} is a tensor", "an NkiTensor", type(one).__name__)
        require(one.buffer != PSUM, f"buffer of {role} for DMA", "HBM or SBUF", PSUM, "go through nisa.tensor_copy")


def _issue(machine: Machine, dst: NkiTensor, src: NkiTensor) -> None:
    size = max(dst.size * elements(dst).itemsize, src.size * elements(src).itemsize)
    machine.issue("dma", [src], [dst], 0.0, dma_bytes=size, dma_runs=max(costs.runs(dst), costs.runs(src)))


@instruction
def tensor_copy(machine: Machine, dst: NkiTensor, src: NkiTensor, engine: Any = Engine.unknown) -> None:
    """dst (P, F) = src (P, F) on the chip: bit by bit where the dtypes agree, else through float32."""
    on_engine("src", src)
    on_engine("dst", dst)
    alike(src=src, dst=dst)
    by = "vector" if engine is Engine.unknown else str(engine.name)
    require(by in ("vector", "scalar", "gpsimd"), "engine", "vector, scalar or gpsimd", by)
    if by == "scalar":
        todo = "nisa.activation with op=nl.copy"
        require(machine.generation.number >= 3, "tensor_copy on ScalarE", "v3 or later", machine.generation.name, todo)
    in_psum = PSUM in (dst.buffer, src.buffer)
    require(by != "gpsimd" or not in_psum, "GpSimd reads and writes SBUF only", "no operand in PSUM", PSUM)
    values = read(src).reshape(dst.shape)
    write(dst, values if src.dtype == dst.dtype else converted(values.astype(np.float32), dst.dtype))
    machine.issue(by, [src], [dst], costs.streamed(src, dst))


@instruction
def memset(machine: Machine, dst: NkiTensor, value: float, engine: Any = Engine.unknown) -> None:
    """dst (P, F) = value in every element."""
    on_engine("dst", dst)
    require(isinstance(value, int | float), "value", "a number", type(value).__name__)
    exact = dst.dtype in FLOATS or float(converted(np.full(1, value, np.float32), dst.dtype)[0]) == value
    require(exact, "value", f"one that {dst.dtype} has", value)
    by = ("vector" if dst.buffer == PSUM else "gpsimd") if engine is Engine.unknown else str(engine.name)
    require(by in ("vector", "gpsimd"), "engine", "vector or gpsimd", by)
    require(by != "gpsimd" or dst.buffer != PSUM, "GpSimd reads and writes SBUF only", "no operand in PSUM", PSUM)
    write(dst, np.full(dst.shape, value).astype(elements(dst).dtype))
    machine.issue(by, [], [dst], costs.streamed(dst))


@instruction
def nc_stream_shuffle(machine: Machine, dst: NkiTensor, src: NkiTensor, shuffle_mask: Sequence[int]) -> None:
    """dst (P, F): dst[i] = src[shuffle_mask[i]] within each 32 partitions; 255 leaves a partition as it is."""
    require(len(shuffle_mask) == _QUADRANT, "shuffle_mask", f"{_QUADRANT} entries", len(shuffle_mask))
    on_engine("src", src)
    on_engine("dst", dst)
    require(dst.dtype == src.dtype, "dtype of dst", src.dtype, dst.dtype)
    require(free(dst) == free(src), "elements of dst", free(src), free(dst))
    values, partitions = read(src).reshape(src.shape[0], -1), dst.shape[0]
    moved, state = elements(dst).copy().reshape(partitions, -1), states(dst).copy().reshape(partitions, -1)
    for i in range(partitions):
        source = shuffle_mask[i % _QUADRANT]
        if source == _UNCHANGED:
            continue
        at = i - i % _QUADRANT + source
        inside = 0 <= source < _QUADRANT and at < src.shape[0]
        require(inside, f"source of partition {i}", f"a partition of src, of {src.shape[0]}", at)
        moved[i], state[i] = values[at], 1
    write(dst, moved)
    states(dst)[...] = state.reshape(dst.shape)
    machine.issue("vector", [src], [dst], costs.streamed(src, dst))
