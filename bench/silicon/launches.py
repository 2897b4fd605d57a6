"""Launches whose times others reported: what every operator says of its own, a file of `operators/` each.

Axes: `rows`, a launch each; `ways`, the ways in which a kernel may compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, Self, cast

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.compilers.chips.chip import Gpu

Array = np.ndarray
Axes = dict[str, Array]


@dataclass(frozen=True)
class Limits:
    """What a data sheet says of a chip, as far as a model asks."""

    flops_per_s: float
    bytes_per_s: float
    sms: int
    cache_bytes: float | None = None  #: of its L2
    link_bytes_per_s: float | None = None  #: one way: of the two that NVIDIA counts together

    @classmethod
    def stated(cls, gpu: Gpu, dtype: str) -> Limits:
        """Of a chip's own figures, each with its source there."""
        cache, link = gpu.on_chip_bytes, gpu.link_bytes_per_s
        return cls(
            gpu.peaks[dtype].value, gpu.memory_bytes_per_s.value, gpu.sms.value,
            None if cache is None else cache.value, None if link is None else link.value / 2,
        )  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A kind of file in which rows of an operator stand."""

    file: str
    dtypes: tuple[str, ...]  #: its columns of dtypes, all of which are to be the one that is asked for
    spelt: Mapping[str, str] = field(default_factory=dict)  #: a dtype as it writes it, where that is another word
    only: Mapping[str, str] = field(default_factory=dict)  #: what other columns have to hold
    apart: tuple[str, ...] = ()  #: columns whose every value is tried on its own, as of kernels that share a file


class Launches(Protocol):
    """Launches of one operator."""

    operator: ClassVar[str]
    tables: ClassVar[tuple[Table, ...]]
    axes: ClassVar[tuple[str, ...]]  #: the columns of its sizes there
    words: ClassVar[Mapping[str, Callable[[str], float]]] = {}  #: columns of words among them, and what number each is
    absent: ClassVar[Mapping[str, float]] = {}  #: what a table without a column has in its place
    form: ClassVar[str]  #: how people give one: its sizes with an x between
    model: ClassVar[type[Model]]

    @classmethod
    def at(cls, axes: Axes, of: Format) -> Self:
        """Of arrays (rows,) by the names of the table's columns."""

    @classmethod
    def one(cls, sizes: Sequence[int], of: Format) -> Self:
        """The one of these sizes, in the order of the form."""

    def of(self, which: Array) -> Self:
        """Some of them: their numbers (rows,), or a truth value of each."""

    def same(self, sizes: Sequence[int]) -> Array:
        """Which (rows,) are of these very sizes."""

    def between(self, sizes: Sequence[int]) -> bool:
        """Whether each of these sizes lies between a row's smaller and a row's larger one, or is one."""

    @property
    def group(self) -> Array:
        """Numbers (axes, rows) that tell which rows tell of each other."""

    @property
    def nbytes(self) -> Array:
        """(rows,); each operand read once, and the result written once."""

    def floor_s(self, limits: Limits) -> Array:
        """Seconds (rows,) that no launch can beat, by the data sheet: its roofline."""


class Numbers(Protocol):
    """The numbers of a model that rows give: a dataclass of floats, each with its bounds."""

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each; `lifted`: of shares and costs no most that physics gives."""

    def at_bound(self, limits: Limits) -> list[str]:
        """In words, which shares and costs lie at their most: the rows ask for more than there can be."""

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them, by its heading."""


class Model(Protocol):
    """What some launches ask of a chip, with all that no fitted number changes computed once."""

    numbers: ClassVar[type[Any]]  #: Numbers

    def __init__(self, of: Any, limits: Limits) -> None: ...

    @staticmethod
    def travels(limits: Limits) -> bool:
        """Whether its numbers are parts of what a data sheet states, and so may tell of another chip."""

    def seconds(self, numbers: Any) -> Array:
        """The formula, (rows,)."""


@dataclass(frozen=True)
class Sizes:
    """Launches told by sizes, each an array (rows,)."""

    words: ClassVar[Mapping[str, Callable[[str], float]]] = {}
    absent: ClassVar[Mapping[str, float]] = {}
    format: Format

    @classmethod
    def _names(cls) -> list[str]:
        return [one.name for one in fields(cls) if one.name != "format"]

    @property
    def _arrays(self) -> list[Array]:
        return [cast(Array, getattr(self, name)) for name in self._names()]

    @classmethod
    def one(cls, sizes: Sequence[int], of: Format) -> Self:
        """The one of these sizes."""
        return cls(of, *(np.array([float(size)]) for size in sizes))

    def of(self, which: Array) -> Self:
        """Some of them, each an array (rows,) of fewer rows."""
        return replace(self, **{name: array[which] for name, array in zip(self._names(), self._arrays, strict=True)})

    def same(self, sizes: Sequence[int]) -> Array:
        """Which (rows,) are of these very sizes."""
        return np.asarray(np.all([array == size for array, size in zip(self._arrays, sizes, strict=True)], axis=0))

    def between(self, sizes: Sequence[int]) -> bool:
        """Whether each of these sizes lies between a row's smaller and a row's larger one, or is one."""
        return all(array.min() <= size <= array.max() for array, size in zip(self._arrays, sizes, strict=True))
