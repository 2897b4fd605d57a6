"""What Triton's interpreter computes with, put right: bfloat16 as numbers, reductions by halves, checked addresses.

Triton keeps bfloat16 as uint16 and multiplies the bit patterns (triton-lang/triton#11584). Here the NumPy dtype
of bfloat16 is ml_dtypes' own, over which NumPy's functions are right and a cast rounds to nearest even, as on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import triton.language as tl
from triton._C.libtriton import interpreter as native
from triton._C.libtriton import ir
from triton.runtime import interpreter
from triton.runtime.interpreter import TensorHandle

from oneblock.compilers.triton import releases

BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
Span = tuple[int, int]  # the first byte of an array, and the one after its last

_as_shipped = interpreter._get_np_dtype
# By the names of CUDA's libdevice without "__nv_" and the "f" of float32.
_AS_IN_NUMPY = (
    "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh",
    "trunc", "floor", "ceil", "fmod",
)  # fmt: skip
_EXTERN: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _AS_IN_NUMPY} | {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "fabs": np.abs, "pow": np.power, "fmax": np.fmax, "fmin": np.fmin, "copysign": np.copysign,
    "erf": lambda x: (interpreter.np_erf_fp32 if x.dtype == np.float32 else interpreter.np_erf_fp64)(x),
    "isinf": np.isinf, "isinfd": np.isinf, "isnan": np.isnan, "isnand": np.isnan,
}  # fmt: skip


class OutOfBounds(Exception):
    """A kernel reads or writes memory that belongs to none of its arguments."""


def dtype_of(type_: Any) -> np.dtype[Any]:
    """The NumPy dtype that values of a type of Triton's are kept in; NotImplementedError for float8."""
    scalar = type_.element_ty if isinstance(type_, tl.block_type) else type_
    if scalar == tl.bfloat16:
        return BFLOAT16
    if not isinstance(scalar, tl.pointer_type) and scalar.is_fp8():
        raise NotImplementedError(f"{scalar} is not interpreted: Triton's interpreter rounds it otherwise than a GPU")
    found: np.dtype[Any] = _as_shipped(type_)
    return found


class Builder(interpreter.InterpreterBuilder):  # type: ignore[misc]
    """Triton's, where what it computes is right; `spans` are the bytes that a kernel may touch."""

    def __init__(self) -> None:
        super().__init__()
        # As both compilers have it without `debug`: what would look for overflows is computed, and then not looked at.
        self.options = interpreter.InterpreterOptions(sanitize_overflow=False)
        self.spans: Sequence[Span] = ()

    # ------------------------------------------------------------------ memory

    def create_masked_load(self, ptrs: Any, mask: Any, other: Any, *hints: Any, **named: Any) -> Any:
        """Where the mask is: what lies at the addresses; elsewhere `other`, or 0.

        Hints say how it is cached, and whether it is volatile: before 3.9 there are three of them, then two.
        """
        mask = _handle(mask)
        self._check("reads", ptrs, mask)
        if ptrs.get_element_ty() != tl.bfloat16:
            return super().create_masked_load(ptrs, mask, other, *hints, **named)
        default = np.zeros_like(ptrs.data, dtype=np.uint16) if other is None else other.data.view(np.uint16)
        read = native.load(ptrs.data, mask.data, default, np.dtype(np.uint16))
        return TensorHandle(read.view(BFLOAT16), tl.bfloat16)

    def create_masked_store(self, ptrs: Any, value: Any, mask: Any, *hints: Any) -> Any:
        """Write where the mask is."""
        mask = _handle(mask)
        self._check("writes", ptrs, mask)
        data = value.data.view(np.uint16) if value.data.dtype == BFLOAT16 else value.data
        return native.store(ptrs.data, data, mask.data)

    def create_atomic_rmw(self, op: Any, ptr: Any, val: Any, mask: Any, sem: Any, scope: Any) -> Any:
        """Read, change and write where the mask is."""
        self._check("updates", ptr, mask)
        if val.data.dtype == BFLOAT16:
            raise NotImplementedError("atomic operations on bfloat16 are not interpreted")
        return super().create_atomic_rmw(op, ptr, val, mask, sem, scope)

    def _check(self, does: str, ptrs: Any, mask: Any) -> None:
        addresses = ptrs.data[np.broadcast_to(mask.data, ptrs.data.shape)]
        if not addresses.size:
            return
        width = max(1, ptrs.get_element_ty().primitive_bitwidth // 8)
        first, last = int(addresses.min()), int(addresses.max()) + width
        if any(start <= first and last <= end for start, end in self.spans):
            return
        inside = np.zeros(addresses.shape, dtype=bool)
        for start, end in self.spans:
            inside |= (addresses >= start) & (addresses + width <= end)
        if not inside.all():
            raise OutOfBounds(f"it {does} {np.count_nonzero(~inside)} elements outside of its arguments")

    # ------------------------------------------------------------------ arithmetic

    def cast_impl(self, src: Any, dst_type: Any) -> Any:
        """Round to nearest even."""
        return TensorHandle(src.data.astype(dtype_of(dst_type)), dst_type.scalar)

    def create_fp_to_fp(self, src: Any, dst_type: Any, rounding_mode: Any) -> Any:
        """A cast between float types; only rounding to the nearest even is interpreted."""
        if rounding_mode not in (None, ir.ROUNDING_MODE.RTNE):
            raise NotImplementedError(f"rounding by {rounding_mode} is not interpreted, only to nearest even")
        return self.cast_impl(src, dst_type)

    def create_dot(self, a: Any, b: Any, d: Any, input_precision: Any, max_num_imprecise_acc: Any) -> Any:
        """a @ b + d, in float32 for operands of 2 bytes too."""
        if d.data.dtype != np.float32:
            return super().create_dot(a, b, d, input_precision, max_num_imprecise_acc)
        # Products of float16 and bfloat16 are exact in float32, in which tensor cores add them up.
        product = np.matmul(a.data.astype(np.float32), b.data.astype(np.float32))
        return TensorHandle(product + d.data, d.dtype.scalar)

    def create_fma(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z, rounded once."""
        if z.data.dtype != BFLOAT16:
            if not releases.ROUNDS_ONCE:
                raise NotImplementedError("tl.fma is interpreted from Triton 3.9 on: before it is rounded twice")
            return super().create_fma(x, y, z)
        wide = [one.data.astype(np.float64) for one in (x, y, z)]
        return TensorHandle((wide[0] * wide[1] + wide[2]).astype(BFLOAT16), z.dtype.scalar)

    def create_minnumf(self, lhs: Any, rhs: Any) -> Any:
        """The smaller, or that which is a number: before 3.8 what is none came through."""
        return self.binary_op(lhs, rhs, np.fmin)

    def create_maxnumf(self, lhs: Any, rhs: Any) -> Any:
        """The larger, likewise."""
        return self.binary_op(lhs, rhs, np.fmax)

    def create_splat(self, ret_ty: Any, arg: Any) -> Any:
        """A block of one value."""
        # Triton's asks for the dtype of a block in the terms of a scalar, and makes integers of booleans.
        return TensorHandle(np.full(ret_ty.shape, arg.data.flat[0], dtype=arg.data.dtype), arg.dtype.scalar)

    def create_fabs(self, arg: Any) -> Any:
        """The absolute value, of the number and not of its bits."""
        return self.unary_op(arg, np.abs)

    def create_extern_elementwise(
        self, library: str, path: str, symbol: str, args: Sequence[Any], type_: Any, is_pure: bool
    ) -> Any:
        """A function of CUDA's libdevice; NotImplementedError for one that is not in the table."""
        name = symbol.removeprefix("__nv_")
        function = _EXTERN.get(name) or _EXTERN.get(name.removesuffix("f"))
        if function is None:
            raise NotImplementedError(
                f"{symbol} is not interpreted; compilers/triton/interpreter_numerics.py lists what is"
            )
        return TensorHandle(function(*(arg.data for arg in args)).astype(dtype_of(type_)), type_.scalar)


def reduce_by_halves(self: Any, inputs: tuple[Any, ...], combine: Callable[..., Any]) -> list[Any]:
    """`ReduceOps.generic_reduce` over whole slices: neighbours are combined until one is left, as warps do it.

    Triton's calls `combine` once for every element, which takes minutes for the tile of one norm.
    """
    kept_axis = self.axis
    arrays, axis = self.unravel(inputs, kept_axis)
    shape = inputs[0].handle.data.shape
    while arrays[0].handle.data.shape[axis] > 1:
        halves = [[_take(one, axis, first) for one in arrays] for first in (0, 1)]
        combined = combine(*halves[0], *halves[1])
        arrays = combined if isinstance(combined, tuple) else (combined,)
    reduced = [one.handle.data.squeeze(axis) for one in arrays]
    if self.keep_dims:
        reduced = [one.reshape([1] * len(shape)) if kept_axis is None else np.expand_dims(one, axis) for one in reduced]
    return [self.to_tensor(one, x.dtype) for one, x in zip(reduced, inputs, strict=True)]


def scan_by_slices(self: Any, inputs: Sequence[Any], combine: Callable[..., Any]) -> list[Any]:
    """`ScanOps.generic_scan` over whole slices, one position after the other."""
    length = inputs[0].handle.data.shape[self.axis]
    last = [_at(one, self.axis, 0) for one in inputs]
    columns = [[one.handle.data] for one in last]
    for i in range(1, length):
        combined = combine(*last, *(_at(one, self.axis, i) for one in inputs))
        last = list(combined) if isinstance(combined, tuple) else [combined]
        for column, one in zip(columns, last, strict=True):
            column.append(one.handle.data)
    scanned = [np.concatenate(column, axis=self.axis) for column in columns]
    return [self.to_tensor(one, x.dtype) for one, x in zip(scanned, inputs, strict=True)]


def _handle(mask: Any) -> Any:
    """The mask of an access: through a descriptor it is an array of NumPy's before 3.9."""
    return TensorHandle(mask, tl.int1) if isinstance(mask, np.ndarray) else mask


def _take(x: Any, axis: int, first: int) -> Any:
    data = x.handle.data
    if data.shape[axis] % 2:
        raise NotImplementedError(f"a reduction over {data.shape[axis]} elements is not interpreted: not a power of 2")
    return _tensor(np.moveaxis(np.moveaxis(data, axis, 0)[first::2], 0, axis), x.dtype)


def _at(x: Any, axis: int, i: int) -> Any:
    return _tensor(np.take(x.handle.data, [i], axis=axis), x.dtype)


def _tensor(data: np.ndarray, dtype: Any) -> Any:
    return tl.tensor(TensorHandle(data, dtype.scalar), tl.block_type(dtype.scalar, list(data.shape)))
