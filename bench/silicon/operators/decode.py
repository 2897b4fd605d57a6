"""Attention of a new token over a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Table
from oneblock.bench.silicon.model import Ways
from oneblock.bench.silicon.operators._attention import DTYPES, HEADS, Attention

_SPLITS = (1, 2, 4, 8, 16, 32, 64)  # of the keys
_KEYS, _LEAST_ROWS = 128, 16  # of a tile; fewer queries fill a matrix instruction no better


@dataclass(frozen=True)
class Decodes(Attention):
    """Attention of one new token of each sequence over a cache of T tokens, its own among them."""

    operator: ClassVar[str] = "decode"
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
        rows = np.ceil(self.N / self.K / _LEAST_ROWS) * _LEAST_ROWS
        found = []
        for parts in _SPLITS:
            waves = np.ceil(self.B * self.K * parts / sms)
            keys = np.ceil(self.seen / parts / _KEYS) * _KEYS
            flops, lost = waves * (4.0 * rows * self.D * keys), 1 / rows + 1 / self.D
            found.append((waves, flops, lost, np.full_like(waves, parts > 1)))
        return Ways(*map(np.array, zip(*found, strict=True)))


LAUNCHES = Decodes
