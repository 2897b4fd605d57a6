"""Instructions of ScalarE: a function of each element, scaled and shifted before, summed after."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from oneblock.compilers.nki import costs
from oneblock.compilers.nki.enums import ReduceCmd
from oneblock.compilers.nki.machine import Machine, instruction
from oneblock.compilers.nki.memory import NkiTensor
from oneblock.compilers.nki.operands import alike, free, on_engine, operator, reads_of, scalar_or_column, store, wide
from oneblock.compilers.nki.rules import require


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(erf(x))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x))))


# Exact functions in float32; the engine's own are piece-wise polynomials, whose error is not documented.
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "copy": lambda x: x, "square": np.square, "abs": np.abs, "sign": np.sign, "relu": lambda x: np.maximum(x, 0),
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "rsqrt": lambda x: 1.0 / np.sqrt(x), "reciprocal": lambda x: 1.0 / x,
    "tanh": np.tanh, "sigmoid": _sigmoid, "silu": lambda x: x * _sigmoid(x), "sin": np.sin, "arctan": np.arctan,
    "erf": _erf, "gelu": lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))), "gelu_apprx_tanh": _gelu_tanh,
    "gelu_apprx_sigmoid": lambda x: x * _sigmoid(1.702 * x), "softplus": lambda x: np.logaddexp(0.0, x),
}  # fmt: skip
# Least and greatest magnitude (of sin and arctan: greatest) of an argument; outside the engine's answer is not valid.
VALID: dict[str, tuple[float, float]] = {
    "log": (2.0**-64, 2.0**64), "sqrt": (2.0**-116, 2.0**118), "rsqrt": (2.0**-87, 2.0**97),
    "reciprocal": (2.0**-42, 2.0**42), "sin": (0.0, math.pi), "arctan": (0.0, math.pi / 2),
}  # fmt: skip
_OF_POSITIVES = ("log", "sqrt", "rsqrt")


@instruction
def activation(
    machine: Machine, dst: NkiTensor, op: Any, data: NkiTensor, bias: Any = None, scale: Any = 1.0,
    reduce_op: Any = None, reduce_res: NkiTensor | None = None, reduce_cmd: Any = ReduceCmd.idle,
) -> None:  # fmt: skip
    """dst (P, F) = op(data (P, F) * scale + bias); its sum over F, in registers, is read into reduce_res (P, 1)."""
    _activate(machine, dst, op, data, bias, scale, reduce_op, reduce_res, reduce_cmd)


@instruction
def activation_reduce(
    machine: Machine, dst: NkiTensor, op: Any, data: NkiTensor, reduce_op: Any, reduce_res: NkiTensor,
    bias: Any = None, scale: Any = 1.0,
) -> None:  # fmt: skip
    """`activation` over (P, F) that resets the registers, sums into them and reads them out to (P, 1)."""
    _activate(machine, dst, op, data, bias, scale, reduce_op, reduce_res, ReduceCmd.reset_reduce)


def _activate(
    machine: Machine, dst: NkiTensor, op: Any, data: NkiTensor, bias: Any, scale: Any,
    reduce_op: Any, reduce_res: NkiTensor | None, reduce_cmd: Any,
) -> None:  # fmt: skip
    on_engine("data", data)
    on_engine("dst", dst)
    alike(data=data, dst=dst)
    name = operator("activation function", op, list(FUNCTIONS))
    on_v2 = machine.generation.number < 3
    if bias is not None:
        tile = isinstance(bias, NkiTensor)
        require(tile or not on_v2, "bias on v2", f"a tile [{data.shape[0]}, 1]", f"the number {bias!r}")
        require(not (on_v2 and name == "reciprocal"), "bias of reciprocal on v2", "none", bias)
    x = wide(data) * scalar_or_column("scale", scale, data)
    if bias is not None:
        x = x + scalar_or_column("bias", bias, data, dtypes=())
    _within_range(name, x)
    with np.errstate(all="ignore"):
        values = np.asarray(FUNCTIONS[name](x), dtype=np.float32)
    store(dst, values)
    _accumulate(machine, values, data, reduce_op, reduce_res, reduce_cmd)
    cycles = costs.streamed(data, dst) + (costs.READ_ACCUMULATOR if reduce_res is not None else 0)
    ops = 1 + (isinstance(scale, NkiTensor) or scale != 1.0) + (bias is not None) + (reduce_op is not None)
    writes = [dst, *reads_of(reduce_res)]
    machine.issue("scalar", reads_of(data, scale, bias), writes, cycles, flops=ops * data.size)


def _within_range(name: str, x: np.ndarray) -> None:
    if name not in VALID:
        return
    least, most = VALID[name]
    size = x if name in _OF_POSITIVES else np.abs(x)
    bad = ~((size >= least) & (size <= most))
    value = float(x[bad][0]) if bad.any() else 0.0
    require(not bad.any(), f"argument of {name} on ScalarE", f"{least:g} to {most:g}", f"{value:g}, its answer invalid")


def _accumulate(
    machine: Machine, values: np.ndarray, data: NkiTensor, reduce_op: Any, reduce_res: NkiTensor | None, command: Any
) -> None:
    if reduce_op is not None:
        operator("reduce_op of ScalarE", reduce_op, ("add",))
    adds = command in (ReduceCmd.reduce, ReduceCmd.reset_reduce)
    require(command is not ReduceCmd.load_reduce, "reduce_cmd of activation", "idle, reset, reduce", command.name)
    require(not adds or reduce_op is not None, "reduce_op", "nl.add, as reduce_cmd asks for a sum", None)
    registers = machine.registers["scalar"]
    if command in (ReduceCmd.reset, ReduceCmd.reset_reduce):
        registers.reset(0.0)
    if adds:
        registers.lanes(data)[...] += values.sum(axis=1, keepdims=True)
    if reduce_res is not None:
        on_engine("reduce_res", reduce_res)
        shape, expected = (reduce_res.shape[0], free(reduce_res)), f"[{data.shape[0]}, 1]"
        require(shape == (data.shape[0], 1), "shape of reduce_res", expected, list(reduce_res.shape))
        store(reduce_res, registers.lanes(data))
