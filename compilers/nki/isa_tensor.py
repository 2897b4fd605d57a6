"""Instructions of TensorE: products and transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneblock.compilers.chips.makers.neuron_cores import PARTITIONS, PSUM_BANK_BYTES, STATIONARY_FREE
from oneblock.compilers.nki import costs
from oneblock.compilers.nki.elements import elements, read, states, write
from oneblock.compilers.nki.enums import Engine, MatmulPerfMode
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import PRODUCT, PSUM, SBUF, UNWRITTEN, WRITTEN, NkiTensor
from oneblock.compilers.nki.operands import free, on_engine, store, wide
from oneblock.compilers.nki.rules import NotInterpreted, require

_INPUTS = ("float32", "bfloat16", "float16", "float8_e5m2")
_VECTOR_TRANSPOSE = 32


@instruction
def nc_matmul(
    machine: Machine, dst: NkiTensor, stationary: NkiTensor, moving: NkiTensor,
    is_stationary_onezero: bool = False, is_moving_onezero: bool = False, is_transpose: bool = False,
    accumulate: bool | None = None, tile_position: Any = (), tile_size: Any = (),
    perf_mode: Any = MatmulPerfMode.none,
) -> None:  # fmt: skip
    """dst (M, N) = stationary (K, M).T @ moving (K, N), accumulated in float32; K are the partitions of both."""
    if tile_position or tile_size or perf_mode is not MatmulPerfMode.none or is_transpose:
        raise NotInterpreted("nc_matmul with tile_position, tile_size, perf_mode or is_transpose (nisa.nc_transpose)")
    on_engine("stationary", stationary, (SBUF,))
    on_engine("moving", moving, (SBUF,))
    on_engine("dst", dst, (PSUM,))
    (K, M), (K2, N) = (stationary.shape[0], free(stationary)), (moving.shape[0], free(moving))
    require(K == K2, "contraction", f"{K} partitions of moving, as of stationary", K2)
    require(M <= STATIONARY_FREE, "stationary free size", f"at most {STATIONARY_FREE}", M)
    moving_limits = machine.generation.moving_free
    allowed = " or ".join(moving_limits)
    require(dst.dtype in moving_limits, "dtype of dst", f"{allowed} on {machine.generation.name}", dst.dtype)
    most = moving_limits[dst.dtype]
    require(most >= N, "moving free size", f"at most {most} on {machine.generation.name}", N)
    expected = f"{M} x {N}: stationary's columns by moving's"
    require((dst.shape[0], free(dst)) == (M, N), "shape of dst", expected, f"{dst.shape[0]} x {free(dst)}")
    for role, one in (("stationary", stationary), ("moving", moving)):
        require(one.dtype in _INPUTS, f"dtype of {role}", " or ".join(_INPUTS), one.dtype)
    mixed = (stationary.dtype == "float32") != (moving.dtype == "float32")
    both = f"{stationary.dtype} with {moving.dtype}"
    require(not mixed, "dtypes of a product", "both float32 or neither", both)
    if machine.generation.number < 4:  # from then on a product may have all banks
        _within_a_bank(dst)
    values = wide(stationary).T @ wide(moving)
    kept = _kept(machine, dst, accumulate)
    if kept is not None:
        values = kept + values
    store(dst, values)
    states(dst)[...] = PRODUCT
    cycles = costs.product(N, float32=moving.dtype == "float32")
    machine.issue(
        "tensor", [stationary, moving, *([dst] if kept is not None else [])], [dst], cycles, flops=2 * K * M * N
    )


def _within_a_bank(dst: NkiTensor) -> None:
    size, span = elements(dst).itemsize, dst.span()
    first, last = span.low * size // PSUM_BANK_BYTES, (span.high * size - 1) // PSUM_BANK_BYTES
    what = f"bytes {span.low * size} to {span.high * size}, which are in {last - first + 1}"
    require(first == last, "PSUM banks of a product", f"1 of {PSUM_BANK_BYTES} bytes", what)


def _kept(machine: Machine, dst: NkiTensor, accumulate: bool | None) -> np.ndarray | None:
    """What dst holds and is added to; None where it is overwritten. What the documents leave undefined is refused."""
    if accumulate is False:
        return None
    found = set(np.unique(states(dst)).tolist())
    if accumulate is None and found == {UNWRITTEN}:
        return None
    if accumulate:
        got = "elements without one"
        require(UNWRITTEN not in found, "accumulate on unwritten PSUM", "a product there before", got)
    by_others = WRITTEN in found and machine.generation.number < 4
    require(not by_others, "accumulate on PSUM", f"what a product wrote, on {machine.generation.name}",
            "what another instruction (memset, tensor_copy) wrote", "leave it out: the first product overwrites",
            )  # fmt: skip
    held = np.asarray(elements(dst), dtype=np.float32)
    return np.where(states(dst) == UNWRITTEN, np.float32(0.0), held).reshape(dst.shape[0], -1)


@instruction
def nc_transpose(machine: Machine, dst: NkiTensor, data: NkiTensor, engine: Any = Engine.unknown) -> None:
    """dst (F, P) = data (P, F) transposed: by TensorE into PSUM up to 128 x 128, by VectorE up to 32 x 32."""
    on_engine("data", data)
    on_engine("dst", dst)
    P, F = data.shape[0], free(data)
    small = max(P, F) <= _VECTOR_TRANSPOSE
    by_tensor = engine is Engine.tensor or (engine is Engine.unknown and dst.buffer == PSUM and data.buffer == SBUF)
    if not by_tensor:
        require(engine in (Engine.vector, Engine.unknown), "engine of a transpose", "tensor or vector", engine.name)
        require(small, "transpose by VectorE", f"at most {_VECTOR_TRANSPOSE} x {_VECTOR_TRANSPOSE}", f"{P} x {F}")
    else:
        require(data.buffer == SBUF, "buffer of data for TensorE", SBUF, data.buffer)
        require(dst.buffer == PSUM, "buffer of dst for TensorE", PSUM, dst.buffer)
        require(F <= PARTITIONS, "transpose by TensorE", f"at most {PARTITIONS} x {PARTITIONS}", f"{P} x {F}")
    require((dst.shape[0], free(dst)) == (F, P), "shape of dst", f"{F} x {P}", f"{dst.shape[0]} x {free(dst)}")
    require(dst.dtype == data.dtype, "dtype of dst", data.dtype, dst.dtype)
    turned = read(data).reshape(P, F).T
    if by_tensor and machine.generation.number < 3:
        finite = bool(np.isfinite(turned.astype(np.float32)).all())
        require(finite, "transpose by TensorE of v2", "finite elements, as it multiplies", "NaN or infinity")
    write(dst, turned)
    if by_tensor:
        machine.issue("tensor", [data], [dst], costs.product(P, float32=data.dtype == "float32"))
    else:
        machine.issue("vector", [data], [dst], costs.streamed(data, dst))
