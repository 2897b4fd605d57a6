"""Launches whose times others reported, as the model asks for them: FLOPs, bytes, and how tiles come in waves.

Axes: `rows`, a launch each; `ways`, the tiles and splits that a kernel may choose of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import ClassVar, Protocol, Self, cast

import numpy as np

Array = np.ndarray

_TILES = (
    (256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64), (128, 32), (32, 128),
    (64, 32), (32, 64), (32, 32), (128, 16), (16, 128), (64, 16), (16, 64), (32, 16), (16, 32),
)  # fmt: skip
_PARTS = (1, 2, 4, 8)  # of a product's inner axis, which are added up afterwards
_QUERIES = (64, 128, 192, 256)  # of a tile of a prefill
_SPLITS = (1, 2, 4, 8, 16, 32, 64)  # of a decode's keys
_KEYS, _LEAST_ROWS = 128, 16  # of a decode's tile; fewer queries fill a matrix instruction no better
_HEADS = ("num_heads", "num_key_value_heads", "head_dim", "window_size")
Axes = dict[str, Array]


@dataclass(frozen=True)
class Ways:
    """What each way of computing asks for, all (ways, rows)."""

    waves: Array  #: of tiles over the multiprocessors
    flops_of_sm: Array  #: of the multiprocessor that has most to do
    lost: Array  #: one over each side of a tile, added up: what of its operands is not hidden, by the model's `edge`
    again: Array  #: whether parts are added up in another pass


class Launches(Protocol):
    """Launches of one operator."""

    operator: ClassVar[str]
    file: ClassVar[str]  #: of the package's tables
    axes: ClassVar[tuple[str, ...]]  #: the columns of its sizes there
    absent: ClassVar[dict[str, float]] = {}  #: what a table without a column has in its place
    form: ClassVar[str]  #: how people give one: its sizes with an x between

    @classmethod
    def at(cls, axes: Axes, itemsize: float) -> Self:
        """Of arrays (rows,) by the names of the table's columns."""

    @classmethod
    def one(cls, sizes: Sequence[int], itemsize: float) -> Self:
        """The one of these sizes, in the order of the form."""

    def of(self, which: Array) -> Self:
        """Some of them: their numbers (rows,), or a truth value of each."""

    def same(self, sizes: Sequence[int]) -> Array:
        """Which (rows,) are of these very sizes."""

    @property
    def group(self) -> Array:
        """Numbers (axes, rows) that tell which rows tell of each other."""

    @property
    def flops(self) -> Array:
        """(rows,); a multiply-add is two."""

    @property
    def nbytes(self) -> Array:
        """(rows,); each operand read once, and the result written once."""

    def ways(self, sms: int) -> Ways:
        """(ways, rows) on so many multiprocessors."""


@dataclass(frozen=True)
class _Sizes:
    """Launches told by sizes, each an array (rows,)."""

    itemsize: float

    @property
    def _arrays(self) -> list[Array]:
        return [cast(Array, getattr(self, one.name)) for one in fields(self) if one.name != "itemsize"]

    @classmethod
    def one(cls, sizes: Sequence[int], itemsize: float) -> Self:
        return cls(itemsize, *(np.array([float(size)]) for size in sizes))

    def of(self, which: Array) -> Self:
        names = [one.name for one in fields(self) if one.name != "itemsize"]
        return replace(self, **{name: array[which] for name, array in zip(names, self._arrays, strict=True)})

    def same(self, sizes: Sequence[int]) -> Array:
        return np.asarray(np.all([array == size for array, size in zip(self._arrays, sizes, strict=True)], axis=0))


@dataclass(frozen=True)
class Products(_Sizes):
    """(M, K) x (K, N)."""

    operator: ClassVar[str] = "product"
    file: ClassVar[str] = "gemm_perf.parquet"
    axes: ClassVar[tuple[str, ...]] = ("m", "n", "k")
    absent: ClassVar[dict[str, float]] = {}
    form: ClassVar[str] = "MxNxK"
    M: Array
    N: Array
    K: Array

    @classmethod
    def at(cls, axes: Axes, itemsize: float) -> Self:
        """As of any launches."""
        return cls(itemsize, axes["m"], axes["n"], axes["k"])

    @property
    def group(self) -> Array:
        """(2, rows): products with weights of one shape tell of each other."""
        return np.stack([self.N, self.K])

    @property
    def flops(self) -> Array:
        """(rows,); a multiply-add is two."""
        return np.asarray(2.0 * self.M * self.N * self.K)

    @property
    def nbytes(self) -> Array:
        """(rows,): each operand read once, and the result written once."""
        return np.asarray(self.itemsize * (self.M * self.K + self.K * self.N + self.M * self.N))

    def ways(self, sms: int) -> Ways:
        """(ways, rows): each tile, its inner axis whole or in parts."""
        found = []
        for (a, b), parts in product(_TILES, _PARTS):
            waves = np.ceil(np.ceil(self.M / a) * np.ceil(self.N / b) * parts / sms)
            flops, same = waves * (2.0 * a * b * self.K / parts), np.ones_like(waves)
            found.append((waves, flops, same * (1 / a + 1 / b), same * (parts > 1)))
        return Ways(*map(np.array, zip(*found, strict=True)))


@dataclass(frozen=True)
class _Attention(_Sizes):
    """Attention of B sequences of T tokens: N heads, K heads of keys and values, D wide, over a window or all."""

    absent: ClassVar[dict[str, float]] = {"window_size": 0.0}
    form: ClassVar[str] = "BxTxNxKxDxW"
    B: Array
    T: Array
    N: Array
    K: Array
    D: Array
    window: Array  #: 0 where every query sees all before it

    @property
    def group(self) -> Array:
        """(4, rows): those of one model's heads tell of each other."""
        return np.stack([self.N, self.K, self.D, self.window])

    @property
    def _seen(self) -> Array:
        """Keys of the last query, (rows,)."""
        return np.where(self.window == 0, self.T, np.minimum(self.window, self.T))


@dataclass(frozen=True)
class Prefills(_Attention):
    """Causal attention of a prompt: T queries, each over the keys before it and its own."""

    operator: ClassVar[str] = "prefill"
    file: ClassVar[str] = "context_attention_perf.parquet"
    axes: ClassVar[tuple[str, ...]] = ("batch_size", "isl", *_HEADS)

    @classmethod
    def at(cls, axes: Axes, itemsize: float) -> Self:
        """As of any launches."""
        return cls(itemsize, *(axes[name] for name in cls.axes))

    @property
    def _pairs(self) -> Array:
        """Pairs of a query and a key that it sees, (rows,)."""
        return np.asarray(self._seen * (self._seen + 1) / 2 + (self.T - self._seen) * self._seen)

    @property
    def flops(self) -> Array:
        """(rows,): two products for each pair of a query and a key that it sees."""
        return np.asarray(4.0 * self.B * self.N * self.D * self._pairs)

    @property
    def nbytes(self) -> Array:
        """(rows,): queries, keys and values read once, and the result written once."""
        return np.asarray(2.0 * self.itemsize * self.B * self.T * self.D * (self.N + self.K))

    def ways(self, sms: int) -> Ways:
        """(ways, rows): each tile of queries, over whole blocks of keys, of which its mask leaves half the last out."""
        found = []
        for a in _QUERIES:
            waves = np.ceil(np.ceil(self.T / a) * self.B * self.N / sms)
            keys = self._pairs / self.T + a / 2
            found.append((waves, waves * (4.0 * a * self.D * keys), 1 / a + 1 / self.D, np.zeros_like(waves)))
        return Ways(*map(np.array, zip(*found, strict=True)))


@dataclass(frozen=True)
class Decodes(_Attention):
    """Attention of one new token of each sequence over a cache of T tokens, its own among them."""

    operator: ClassVar[str] = "decode"
    file: ClassVar[str] = "generation_attention_perf.parquet"
    axes: ClassVar[tuple[str, ...]] = ("batch_size", "step", *_HEADS)

    @classmethod
    def at(cls, axes: Axes, itemsize: float) -> Self:
        """As of any launches; a step's own token is one more."""
        B, step, *heads = (axes[name] for name in cls.axes)
        return cls(itemsize, B, step + 1, *heads)

    @property
    def flops(self) -> Array:
        """(rows,): two products for each key of each head."""
        return np.asarray(4.0 * self.B * self.N * self._seen * self.D)

    @property
    def nbytes(self) -> Array:
        """(rows,): the keys and values that are seen read once; queries and results."""
        return np.asarray(2.0 * self.itemsize * self.B * self.D * (self.K * self._seen + self.N))

    def ways(self, sms: int) -> Ways:
        """(ways, rows): all queries of a head of keys in one tile, over its keys at once or in parts."""
        rows = np.ceil(self.N / self.K / _LEAST_ROWS) * _LEAST_ROWS
        found = []
        for parts in _SPLITS:
            waves = np.ceil(self.B * self.K * parts / sms)
            keys = np.ceil(self._seen / parts / _KEYS) * _KEYS
            flops, lost = waves * (4.0 * rows * self.D * keys), 1 / rows + 1 / self.D
            found.append((waves, flops, lost, np.full_like(waves, parts > 1)))
        return Ways(*map(np.array, zip(*found, strict=True)))


OPERATORS: dict[str, type[Launches]] = {one.operator: one for one in (Products, Prefills, Decodes)}
