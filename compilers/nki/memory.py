"""Tensors of a kernel: storage in HBM, SBUF or PSUM, and views of it that know which elements hold what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np

from oneblock.compilers.nki.dtypes import numpy_dtype, poisoned
from oneblock.compilers.nki.operators import NotAnArray
from oneblock.compilers.nki.rules import NotInterpreted, Place, require


class MemoryRegion(StrEnum):
    """Where a tensor lies."""

    sbuf = "sbuf"
    psum = "psum"
    private_hbm = "private_hbm"
    shared_hbm = "shared_hbm"


SBUF, PSUM, PRIVATE_HBM, SHARED_HBM = MemoryRegion
ON_CHIP = (SBUF, PSUM)
UNWRITTEN, WRITTEN, PRODUCT = 0, 1, 2  # an element's state: what wrote it last


@dataclass(eq=False)
class Storage:
    """One allocation: its elements in order, and the state of each. On the chip a partition is a row."""

    number: int
    name: str
    buffer: MemoryRegion
    dtype: str
    row: int  # elements of a partition; of HBM, all
    place: Place
    _data: np.ndarray = field(repr=False)
    _state: np.ndarray = field(repr=False)
    first: int | None = None  # the instructions that used it first and last
    last: int | None = None

    @property
    def bytes(self) -> int:
        """Of one partition; of HBM, all."""
        return self.row * numpy_dtype(self.dtype).itemsize

    @property
    def on_chip(self) -> bool:
        """Whether it has partitions."""
        return self.buffer in ON_CHIP


@dataclass(frozen=True)
class Span:
    """What a view touches of a storage: elements [low, high) of partitions [top, bottom), as a box around it."""

    storage: Storage
    top: int
    bottom: int
    low: int
    high: int


class NkiTensor(NotAnArray):
    """A view: shape and strides over a storage, in elements. Every method gives another view and copies nothing."""

    def __init__(self, storage: Storage, data: np.ndarray, state: np.ndarray) -> None:
        self.storage, self._data, self._state = storage, data, state
        self.dtype, self.buffer, self.name = storage.dtype, storage.buffer, storage.name
        self.shape: tuple[int, ...] = data.shape
        self.ndim, self.size = data.ndim, data.size

    def __repr__(self) -> str:
        return f"NkiTensor({self.name or 'unnamed'}: {self.dtype} {list(self.shape)} in {self.buffer})"

    @property
    def on_chip(self) -> bool:
        """Whether the first dimension is the partitions."""
        return self.buffer in ON_CHIP

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        return tuple(step // self._data.itemsize for step in self._data.strides)

    @property
    def offset(self) -> int:
        """Of the first element, in elements of a partition's row (of HBM: of the storage)."""
        return self._distance() % self.storage.row if self.on_chip else self._distance()

    @property
    def partition(self) -> int:
        """The first partition."""
        return int(self._distance() // self.storage.row) if self.on_chip else 0

    def _distance(self) -> int:
        start = self._data.__array_interface__["data"][0] - self.storage._data.__array_interface__["data"][0]
        return int(start) // self._data.itemsize

    def span(self) -> Span:
        """The box of the storage that this view lies in."""
        low, high = _ends(self.offset, self.get_pattern()[self.on_chip :])
        rows = self.shape[0] if self.on_chip else 1
        return Span(self.storage, self.partition, self.partition + rows, low, high + 1)

    # ---------------------------------------------------------------- views

    def _view(self, make: Callable[[np.ndarray], np.ndarray]) -> NkiTensor:
        """Another view; it must not have copied, for then writing to it would write nowhere."""
        data, state = make(self._data), make(self._state)
        there = np.may_share_memory(data, self._data) or data.size == 0
        got = f"shape {list(self.shape)} with strides {list(self.strides)}"
        require(there, "view without a copy", "a layout that the new shape fits", got)
        require(data.size > 0, "views are not empty", "at least one element", f"shape {list(data.shape)}")
        return NkiTensor(self.storage, data, state)

    def __getitem__(self, key: Any) -> NkiTensor:
        index = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [one for one in index if not isinstance(one, slice | NkiTensor)]:
            at = next(i for i, one in enumerate(index) if one is Ellipsis)
            index[at : at + 1] = [slice(None)] * (self.ndim - len(index) + 1)
        index += [slice(None)] * (self.ndim - len(index))
        require(len(index) == self.ndim, "indices", f"at most {self.ndim}", len(index))
        index = [self._bounded(i, one) for i, one in enumerate(index)]
        if self.on_chip:
            index[0] = _kept(index[0])  # the partition dimension stays
        least = 2 if self.on_chip else 1
        while sum(isinstance(one, slice) for one in index) < least:  # the last that would go is kept
            last = max(i for i, one in enumerate(index) if not isinstance(one, slice))
            index[last] = _kept(index[last])
        return self._view(lambda array: array[tuple(index)])

    def _bounded(self, axis: int, one: Any) -> Any:
        """An index within the axis: Python forgives a slice that is too long, the hardware does not."""
        n = self.shape[axis]
        if isinstance(one, NkiTensor):
            raise NotInterpreted("an index that is a tensor (indirect addressing)")
        if isinstance(one, slice):
            stop = n if one.stop is None else one.stop
            inside = -n <= (one.start or 0) <= n and -n <= stop <= n and (one.step or 1) > 0
            require(inside, "slice within the tensor", f"0 to {n}, forwards", one)
            return one
        require(-n <= one < n, "index within the tensor", f"0 to {n - 1} of dimension {axis}", one)
        return int(one) % n

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> NkiTensor:
        """Elements [start, end) of a dimension: (..., N, ...) -> (..., M, ...)."""
        return self[(*[slice(None)] * dim, slice(start, end, step))]

    def select(self, dim: int, index: int) -> NkiTensor:
        """One element of a dimension, which goes: (A, N, B) -> (A, B)."""
        return self[(*[slice(None)] * dim, index)]

    def reshape(self, shape: Sequence[int]) -> NkiTensor:
        """The same elements in another shape: (P, F) -> (P, A, B); on the chip the partitions stay."""
        given = tuple(shape)
        require(prod(given) == self.size, "reshape keeps the elements", self.size, f"{prod(given)} of {list(given)}")
        if self.on_chip:
            require(given[0] == self.shape[0], "reshape keeps the partitions", self.shape[0], given[0])
        return self._view(lambda array: array.reshape(given))

    def reshape_dim(self, dim: int, shape: Sequence[int]) -> NkiTensor:
        """One dimension split into several, (P, A*B) -> (P, A, B); one of them may be -1."""
        known = prod(n for n in shape if n != -1)
        filled = tuple(self.shape[dim] // known if n == -1 else n for n in shape)
        return self.reshape((*self.shape[:dim], *filled, *self.shape[dim + 1 :]))

    def flatten_dims(self, start_dim: int, end_dim: int) -> NkiTensor:
        """Dimensions start_dim to end_dim as one: (P, A, B) -> (P, A*B)."""
        one = prod(self.shape[start_dim : end_dim + 1])
        return self.reshape((*self.shape[:start_dim], one, *self.shape[end_dim + 1 :]))

    def permute(self, dims: Sequence[int]) -> NkiTensor:
        """The dimensions in another order, (P, A, B) -> (P, B, A); on the chip the first stays first."""
        require(sorted(dims) == list(range(self.ndim)), "permutation", f"of 0 to {self.ndim - 1}", list(dims))
        require(not self.on_chip or dims[0] == 0, "partitions stay first", "dims[0] == 0", list(dims))
        return self._view(lambda array: array.transpose(tuple(dims)))

    def broadcast(self, dim: int, size: int) -> NkiTensor:
        """A dimension of size 1 repeated, (P, 1) -> (P, F); reading it reads the same element again."""
        require(not self.on_chip or dim != 0, "partitions are not broadcast by a view", "dim > 0", dim)
        require(self.shape[dim] == 1, "broadcast of a dimension", "size 1", self.shape[dim])
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return self._view(lambda array: np.broadcast_to(array, shape))

    def expand_dim(self, dim: int) -> NkiTensor:
        """A new dimension of size 1: (P, F) -> (P, 1, F)."""
        require(not self.on_chip or dim != 0, "partitions stay first", "dim > 0", dim)
        return self._view(lambda array: np.expand_dims(array, dim))

    def squeeze_dim(self, dim: int) -> NkiTensor:
        """Without a dimension of size 1: (P, 1, F) -> (P, F)."""
        require(not self.on_chip or dim != 0, "partitions stay first", "dim > 0", dim)
        require(self.shape[dim] == 1, "squeeze of a dimension", "size 1", self.shape[dim])
        return self._view(lambda array: np.squeeze(array, dim))

    def get_pattern(self) -> list[list[int]]:
        """[[stride, count], ...] in elements, as `ap` takes it."""
        return [[step, n] for step, n in zip(self.strides, self.shape, strict=True)]

    def is_contiguous(self) -> bool:
        """Whether the elements lie densely in order; on the chip, those of a partition."""
        return bool((self._data[0] if self.on_chip else self._data).flags.c_contiguous)

    def ap(self, pattern: Sequence[Sequence[int]], offset: int | None = None, **dynamic: Any) -> NkiTensor:
        """Any access pattern of the storage as (P, F): [[stride, count], ...] in elements, from an offset."""
        if any(value is not None for value in dynamic.values()):
            raise NotInterpreted(f"ap({', '.join(dynamic)}): indirect addressing and reinterpretation")
        storage, start, row = self.storage, self._distance() + (offset or 0), self.storage.row
        parts = [("the storage", start, pattern, storage._data.size)]
        if self.on_chip:
            require(pattern[0][0] == row, "partition stride", row, pattern[0][0])
            parts.append(("a partition", start % row, pattern[1:], row))
        for what, at, dims, most in parts:
            low, high = _ends(at, dims)
            require(low >= 0 and high < most, f"access within {what}", f"0 to {most - 1}", f"{low} to {high}")
        shape = tuple(count for _, count in pattern)

        def strided(array: np.ndarray) -> np.ndarray:
            steps = tuple(step * array.itemsize for step, _ in pattern)
            return np.lib.stride_tricks.as_strided(array.reshape(-1)[start:], shape, steps)

        return NkiTensor(storage, strided(storage._data), strided(storage._state))


def _ends(start: int, pattern: Sequence[Sequence[int]]) -> tuple[int, int]:
    """The least and the greatest element of an access pattern."""
    steps = [step * (count - 1) for step, count in pattern]
    return start + sum(min(0, step) for step in steps), start + sum(max(0, step) for step in steps)


def _kept(index: Any) -> Any:
    """An integer index as a slice of length one."""
    return index if isinstance(index, slice) else slice(index, index + 1)


def new_storage(
    shape: tuple[int, ...], dtype: str, buffer: MemoryRegion, name: str, number: int, place: Place
) -> NkiTensor:
    """Memory (...) that nobody has written, as one tensor."""
    data, state = poisoned(shape, dtype), np.zeros(shape, np.uint8)
    row = prod(shape[1:]) if buffer in ON_CHIP else data.size
    return NkiTensor(Storage(number, name, buffer, dtype, row, place, data, state), data, state)
