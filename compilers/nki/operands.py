"""What every instruction asks of its operands, and what operators compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from oneblock.compilers.chips.makers.neuron_cores import FREE_DIMENSIONS, PARTITIONS
from oneblock.compilers.nki.dtypes import INTEGERS, converted
from oneblock.compilers.nki.elements import read, write
from oneblock.compilers.nki.machine import current
from oneblock.compilers.nki.memory import PSUM, SBUF, NkiTensor
from oneblock.compilers.nki.rules import NotInterpreted, require


def free(tensor: NkiTensor) -> int:
    """Elements of a partition: F of (P, F), or A*B of (P, A, B)."""
    return prod(tensor.shape[1:])


def on_engine(role: str, tensor: Any, buffers: Sequence[str] = (SBUF, PSUM)) -> NkiTensor:
    """An operand (P, F) of a compute engine, whose place on the chip the engine can address."""
    require(isinstance(tensor, NkiTensor), f"{role} is a tensor", "an NkiTensor", type(tensor).__name__)
    assert isinstance(tensor, NkiTensor)
    require(tensor.buffer in buffers, f"buffer of {role}", " or ".join(buffers), tensor.buffer, _MOVE[tensor.on_chip])
    dimensions = sum(n > 1 for n in tensor.shape[1:])
    require(dimensions <= FREE_DIMENSIONS, f"free dimensions of {role}", f"at most {FREE_DIMENSIONS}", dimensions)
    n, start = tensor.shape[0], tensor.partition
    allowed = (0,) if n > 64 else (0, 64) if n > 32 else (0, 32, 64, 96)
    what = f"start partition of {role} with {n} partitions"
    require(start in allowed, what, " or ".join(map(str, allowed)), start)
    stride = tensor.strides[0] / tensor.storage.row if n > 1 else 1
    require(stride == 1, f"stride of partitions of {role}", "1", f"{stride:g}", "nisa.dma_copy takes any")
    require(start + n <= PARTITIONS, f"last partition of {role}", f"at most {PARTITIONS}", start + n)
    return tensor


_MOVE = {False: "nisa.dma_copy brings it to SBUF", True: "nisa.tensor_copy moves it between SBUF and PSUM"}


def alike(**operands: NkiTensor) -> None:
    """Refuse operands that are not (P, F) of one P and one F."""
    (first, one), *rest = operands.items()
    for role, other in rest:
        expected = f"{one.shape[0]} x {free(one)} as {first}"
        fits = (other.shape[0], free(other)) == (one.shape[0], free(one))
        require(fits, f"partitions and elements of {role}", expected, f"{other.shape[0]} x {free(other)}")


def not_both_in_psum(**operands: NkiTensor) -> None:
    """Refuse two operands (P, F) in PSUM, which VectorE reads through one port."""
    places = {role: one.buffer for role, one in operands.items()}
    both = all(buffer == PSUM for buffer in places.values())
    require(not both, "both operands in PSUM", "at least one in SBUF", places, "copy one with nisa.tensor_copy")


def wide(tensor: NkiTensor) -> np.ndarray:
    """A tile as (P, F) in float32, as engines compute."""
    return np.asarray(read(tensor).reshape(tensor.shape[0], -1), dtype=np.float32)


def store(tensor: NkiTensor, values: np.ndarray) -> None:
    """Write float32 values (P, F), rounded to the tensor's dtype."""
    write(tensor, converted(values, tensor.dtype))


def scalar_or_column(role: str, value: Any, like: NkiTensor, *, dtypes: Sequence[str] = ("float32",)) -> Any:
    """A constant, or a tile (P, 1) as a column of float32 values."""
    if not isinstance(value, NkiTensor):
        require(isinstance(value, int | float), role, "a number or a tile [P, 1]", type(value).__name__)
        return np.float32(value)
    column = on_engine(role, value)
    expected = f"[{like.shape[0]}, 1]"
    require((column.shape[0], free(column)) == (like.shape[0], 1), f"shape of {role}", expected, list(column.shape))
    require(not dtypes or column.dtype in dtypes, f"dtype of {role}", " or ".join(dtypes), column.dtype)
    return wide(column)


def argument(role: str, name: str, value: Any, data: NkiTensor) -> Any:
    """What an operator takes besides data (P, F): of one with a single argument nothing."""
    if name in UNARY:
        require(value in (None, 0), f"{role} of nl.{name}", "None or 0, as it has one argument", value)
        return None
    return scalar_or_column(role, value, data)


def reads_of(*operands: Any) -> list[NkiTensor]:
    """Those of the operands, numbers or tiles (P, F), that are tensors."""
    return [one for one in operands if isinstance(one, NkiTensor)]


# ---------------------------------------------------------------- operators


def _truth(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: function(x, y).astype(np.float32)


def _by_magnitude(choose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: np.where(choose(np.abs(x), np.abs(y)), x, y)  # of two alike the second


def _logical_shift(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """To the right, with zeros from the left: there is no arithmetic one."""
    return np.asarray(x.view(f"u{x.itemsize}") >> y.view(f"u{y.itemsize}")).astype(x.dtype)


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "equal": _truth(np.equal), "not_equal": _truth(np.not_equal), "greater_equal": _truth(np.greater_equal),
    "greater": _truth(np.greater), "less_equal": _truth(np.less_equal), "less": _truth(np.less),
    "logical_and": _truth(np.logical_and), "logical_or": _truth(np.logical_or),
    "logical_xor": _truth(np.logical_xor), "power": np.power,
    "abs_max": _by_magnitude(np.greater), "abs_min": _by_magnitude(np.less),
}  # fmt: skip
UNARY: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "square": np.square, "relu": lambda x: np.maximum(x, 0),
    "rsqrt": lambda x: 1.0 / np.sqrt(x), "reciprocal": lambda x: 1.0 / x,
}  # fmt: skip
BITS: dict[str, Callable[..., Any]] = {
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift, "right_shift": _logical_shift,
}  # fmt: skip
REDUCTIONS = ("add", "subtract", "multiply", "maximum", "minimum", "logical_and", "logical_or", "logical_xor")


def operator(role: str, op: Any, known: Sequence[str]) -> str:
    """The name of a function of nl that the instruction can be given."""
    name = getattr(op, "operator_name", None)
    require(name is not None, role, "a function of nl, such as nl.add", repr(op))
    assert isinstance(name, str)
    if name in BITS and name not in known:
        raise NotInterpreted(f"{role} nl.{name}: of bits, only nisa.tensor_tensor")
    if name in ("abs_max", "abs_min"):
        on = current().generation
        require(on.number >= 4, role, "an operator of v4 or later for nl.abs_max and nl.abs_min", on.name)
    require(name in known, role, f"one of {', '.join(known)}", f"nl.{name}")
    return name


def apply(name: str, x: np.ndarray, y: Any, *, reverse: bool = False) -> np.ndarray:
    """One operator of the ALU on float32 values x (P, F), y a number, (P, 1) or (P, F) -> (P, F)."""
    with np.errstate(all="ignore"):
        if name in UNARY:
            found = UNARY[name](x)
        else:
            found = ARITHMETIC[name](y, x) if reverse else ARITHMETIC[name](x, y)
    return np.asarray(found, dtype=np.float32)


def all_integers(*operands: NkiTensor) -> bool:
    """Whether all tiles (P, F) are of 32-bit integers, which GpSimd adds and multiplies exactly."""
    return all(one.dtype in ("int32", "uint32") for one in operands)


def integers(role: str, tensor: NkiTensor) -> None:
    """Refuse a tile (P, F) that is not of integers, to an operator of bits."""
    require(tensor.dtype in INTEGERS, f"dtype of {role}", "an integer, as the operator is of bits", tensor.dtype)
