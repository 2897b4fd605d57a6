"""Instructions of VectorE and GpSimd that compute element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneblock.compilers.nki import costs
from oneblock.compilers.nki.elements import elements, read, write
from oneblock.compilers.nki.enums import Engine
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import PSUM, NkiTensor
from oneblock.compilers.nki.operands import (
    ARITHMETIC,
    BITS,
    UNARY,
    alike,
    all_integers,
    apply,
    argument,
    integers,
    not_both_in_psum,
    on_engine,
    operator,
    reads_of,
    scalar_or_column,
    store,
    wide,
)
from oneblock.compilers.nki.rules import require

_ON_SCALAR = (("multiply", "add"), ("multiply", None), ("add", None))


def _engine(asked: Any, default: str, *operands: NkiTensor, allowed: tuple[str, ...] = ("vector", "gpsimd")) -> str:
    """The engine that runs it; GpSimd has no way to PSUM."""
    name = default if asked is Engine.unknown else str(asked.name)
    require(name in allowed, "engine", " or ".join(allowed), name)
    if name == "gpsimd":
        places = [one.buffer for one in operands]
        require(PSUM not in places, "GpSimd reads and writes SBUF only", "no operand in PSUM", places)
    return name


@instruction
def tensor_tensor(
    machine: Machine, dst: NkiTensor, data1: NkiTensor, data2: NkiTensor, op: Any, engine: Any = Engine.unknown
) -> None:
    """dst (P, F) = data1 <op> data2, element by element; in float32, or exactly where all are 32-bit integers."""
    for role, one in (("data1", data1), ("data2", data2), ("dst", dst)):
        on_engine(role, one)
    alike(data1=data1, data2=data2, dst=dst)
    not_both_in_psum(data1=data1, data2=data2)
    name = operator("op", op, [*ARITHMETIC, *BITS])
    in_psum = any(one.buffer == PSUM for one in (dst, data1, data2))
    exact = name not in BITS and all_integers(dst, data1, data2) and not in_psum
    default = "gpsimd" if name == "power" or exact else "vector"
    by = _engine(engine, default, dst, data1, data2, allowed=("gpsimd",) if name == "power" else ("vector", "gpsimd"))
    if name in BITS or (exact and by == "gpsimd"):
        if name in BITS:
            for role, one in (("data1", data1), ("data2", data2), ("dst", dst)):
                integers(role, one)
        function = BITS.get(name) or ARITHMETIC[name]
        values = function(read(data1).reshape(dst.shape), read(data2).reshape(dst.shape))
        write(dst, np.asarray(values).astype(elements(dst).dtype))
    else:
        store(dst, apply(name, wide(data1), wide(data2)))
    machine.issue(by, [data1, data2], [dst], costs.streamed(dst, data1, data2, inputs=2), flops=dst.size)


@instruction
def tensor_scalar(
    machine: Machine, dst: NkiTensor, data: NkiTensor, op0: Any, operand0: Any, reverse0: bool = False,
    op1: Any = None, operand1: Any = None, reverse1: bool = False, engine: Any = Engine.unknown,
) -> None:  # fmt: skip
    """dst (P, F) = (data <op0> operand0) <op1> operand1, each operand a number or a tile (P, 1)."""
    on_engine("data", data)
    on_engine("dst", dst)
    alike(data=data, dst=dst)
    names = [operator("op0", op0, [*ARITHMETIC, *UNARY])]
    require(op1 is not None or operand1 is None, "operand1", "None without op1", operand1)
    if op1 is not None:
        names.append(operator("op1", op1, [*ARITHMETIC, *UNARY]))
    by = _engine(
        engine, "gpsimd" if "rsqrt" in names else "vector", dst, data, allowed=("vector", "scalar", "gpsimd")
    )  # fmt: skip
    if "rsqrt" in names:
        require(by == "gpsimd", "engine of rsqrt", "gpsimd (nisa.activation on ScalarE)", by)
    if by == "gpsimd":
        require(names[0] == "rsqrt", "operators of tensor_scalar on GpSimd", "rsqrt", names[0])
    if by == "scalar":
        pair = (names[0], names[1] if op1 is not None else None)
        require(pair in _ON_SCALAR, "operators of tensor_scalar on ScalarE", _ON_SCALAR, pair)
        require(machine.generation.number >= 3, "tensor_scalar on ScalarE", "v3 or later", machine.generation.name)
    values = wide(data)
    for name, operand, reverse, role in (
        (names[0], operand0, reverse0, "operand0"), (names[-1], operand1, reverse1, "operand1"),
    )[: len(names)]:  # fmt: skip
        values = apply(name, values, argument(role, name, operand, data), reverse=reverse)
    store(dst, values)
    cycles = costs.streamed(data, dst, per_element=4 if "rsqrt" in names else 1)
    machine.issue(by, reads_of(data, operand0, operand1), [dst], cycles, flops=len(names) * data.size)


@instruction
def scalar_tensor_tensor(
    machine: Machine, dst: NkiTensor, data: NkiTensor, op0: Any, operand0: Any, op1: Any, operand1: NkiTensor,
    reverse0: bool = False, reverse1: bool = False,
) -> None:  # fmt: skip
    """dst (P, F) = (data <op0> operand0) <op1> operand1, with a number or (P, 1) and then a whole tile (P, F)."""
    for role, one in (("data", data), ("operand1", operand1), ("dst", dst)):
        on_engine(role, one)
    alike(data=data, operand1=operand1, dst=dst)
    not_both_in_psum(data=data, operand1=operand1)
    first, second = operator("op0", op0, list(ARITHMETIC)), operator("op1", op1, list(ARITHMETIC))
    values = apply(first, wide(data), scalar_or_column("operand0", operand0, data), reverse=reverse0)
    store(dst, apply(second, values, wide(operand1), reverse=reverse1))
    cycles = costs.streamed(data, operand1, dst, inputs=2)
    machine.issue("vector", reads_of(data, operand0, operand1), [dst], cycles, flops=2 * data.size)


@instruction
def reciprocal(machine: Machine, dst: NkiTensor, data: NkiTensor) -> None:
    """dst (P, F) = 1 / data, in float32 by VectorE, which is exact and takes eight cycles an element."""
    on_engine("data", data)
    on_engine("dst", dst)
    alike(data=data, dst=dst)
    store(dst, apply("reciprocal", wide(data), None))
    machine.issue("vector", [data], [dst], costs.streamed(data, dst, per_element=8), flops=data.size)


@instruction
def tensor_tensor_scan(
    machine: Machine, dst: NkiTensor, data0: NkiTensor, data1: NkiTensor, initial: Any, op0: Any, op1: Any,
    reverse0: bool = False, reverse1: bool = False,
) -> None:  # fmt: skip
    """dst (P, F): dst[:, i] = (data0[:, i] <op0> dst[:, i - 1]) <op1> data1[:, i], from `initial`."""
    for role, one in (("data0", data0), ("data1", data1), ("dst", dst)):
        on_engine(role, one)
    alike(data0=data0, data1=data1, dst=dst)
    not_both_in_psum(data0=data0, data1=data1)
    first, second = operator("op0", op0, list(ARITHMETIC)), operator("op1", op1, list(ARITHMETIC))
    x, y = wide(data0), wide(data1)
    before = np.broadcast_to(scalar_or_column("initial", initial, data0, dtypes=()), (x.shape[0], 1))[:, 0]
    values = np.empty_like(x)
    for i in range(x.shape[1]):
        step = apply(first, x[:, i], before, reverse=reverse0)
        before = values[:, i] = apply(second, step, y[:, i], reverse=reverse1)
    store(dst, values)
    cycles = costs.streamed(dst, data0, data1, inputs=2)
    machine.issue("vector", reads_of(data0, data1, initial), [dst], cycles, flops=2 * dst.size)
