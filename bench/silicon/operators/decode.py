"""Attention of a new token over a cache.

Rows are timed again and again on the same cache: one that fits in the L2 is read there, at `cached` times the memory's
bandwidth. What reads a cache between other work, as a plan's steps do, finds it in memory.

Queries that share a head of keys are computed as one tile. Over a window some kernels give each query a tile of its
own, which shows as so many waves: `apart` is 0 where they share, and 1 where they do not, and lies between where rows
tell of both, or of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Limits, Table
from oneblock.bench.silicon.model import Demand, Shares, Tiles, Ways, combined
from oneblock.bench.silicon.operators._attention import DTYPES, HEADS, Attention

_SPLITS = (1, 2, 4, 8, 16, 32, 64)  # of the keys
_KEYS, _LEAST_ROWS = 128, 16  # of a tile; fewer queries fill a matrix instruction no better


@dataclass(frozen=True)
class DecodeShares(Shares):
    """What a chip reaches of its limits in decodes; its L2 no less than its memory."""

    cached: float = 1.0  #: of the memory's bandwidth, where all operands lie in the L2
    apart: float = 0.5

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each, in order."""
        least, begin, most = super().bounds(limits, lifted=lifted)
        return (*least, 1.0, 0.0), (*begin, 2.0, 0.5), (*most, 8.0, 1.0)

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them."""
        return super().told(limits) | {"L2 / memory": f"{self.cached:.1f}", "queries apart": f"{self.apart:.2f}"}


class DecodeDemand(Demand):
    """Decodes on a chip."""

    numbers: ClassVar[type[Shares]] = DecodeShares

    def __init__(self, of: Any, limits: Limits) -> None:
        super().__init__(of, limits)
        self.apart = Tiles(of.ways_apart(limits.sms), limits)
        self.fits = of.nbytes <= (limits.cache_bytes or 0)

    def seconds(self, numbers: Shares) -> Array:
        """The formula, (rows,)."""
        assert isinstance(numbers, DecodeShares)
        together_s, apart_s = self.tiles.seconds(numbers), self.apart.seconds(numbers)
        compute_s = together_s ** (1 - numbers.apart) * apart_s**numbers.apart
        return combined(compute_s, self.memory_s / np.where(self.fits, numbers.cached, 1.0), numbers)


@dataclass(frozen=True)
class Decodes(Attention):
    """Attention of one new token of each sequence over a cache of T tokens, its own among them."""

    operator: ClassVar[str] = "decode"
    model: ClassVar[type[Demand]] = DecodeDemand
    tables: ClassVar[tuple[Table, ...]] = (Table("generation_attention_perf.parquet", DTYPES),)
    axes: ClassVar[tuple[str, ...]] = ("batch_size", "step", *HEADS)

    @classmethod
    def at(cls, axes: Axes, of: Format) -> Decodes:
        """As of any launches; a step's own token is one more."""
        B, step, *heads = (axes[name] for name in cls.axes)
        return cls(of, B, step + 1, *heads)

    @property
    def flops(self) -> Array:
        """(rows,): two products for each key of each head."""
        return np.asarray(4.0 * self.B * self.N * self.seen * self.D)

    @property
    def nbytes(self) -> Array:
        """(rows,): the keys and values that are seen read once; queries and results."""
        of = self.format
        cache, ends = 2 * of.right_bytes * self.K * self.seen, (of.left_bytes + of.out_bytes) * self.N
        return np.asarray(self.B * self.D * (cache + ends))

    def ways(self, sms: int) -> Ways:
        """(ways, rows): all queries of a head of keys in one tile, over its keys at once or in parts."""
        return self._tiled(sms, self.K)

    def ways_apart(self, sms: int) -> Ways:
        """(ways, rows): the same, and over a window a tile for each query."""
        return self._tiled(sms, np.where(self.window > 0, self.N, self.K))

    def _tiled(self, sms: int, tiles: Array) -> Ways:
        rows = np.ceil(self.N / tiles / _LEAST_ROWS) * _LEAST_ROWS
        found = []
        for parts in _SPLITS:
            waves = np.ceil(self.B * tiles * parts / sms)
            keys = np.ceil(self.seen / parts / _KEYS) * _KEYS
            flops, lost = waves * (4.0 * rows * self.D * keys), 1 / rows + 1 / self.D
            found.append((waves, flops, lost, np.full_like(waves, parts > 1)))
        return Ways(*map(np.array, zip(*found, strict=True)))


LAUNCHES = Decodes
