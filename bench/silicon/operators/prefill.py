"""Causal attention of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Table
from oneblock.bench.silicon.model import Ways
from oneblock.bench.silicon.operators._attention import DTYPES, HEADS, Attention

_QUERIES = (64, 128, 192, 256)  # of a tile


@dataclass(frozen=True)
class Prefills(Attention):
    """Causal attention of a prompt: T queries, each over the keys before it and its own."""

    operator: ClassVar[str] = "prefill"
    tables: ClassVar[tuple[Table, ...]] = (Table("context_attention_perf.parquet", DTYPES),)
    axes: ClassVar[tuple[str, ...]] = ("batch_size", "isl", *HEADS)

    @classmethod
    def at(cls, axes: Axes, of: Format) -> Prefills:
        """As of any launches."""
        return cls(of, *(axes[name] for name in cls.axes))

    @property
    def _pairs(self) -> Array:
        """Pairs of a query and a key that it sees, (rows,)."""
        return np.asarray(self.seen * (self.seen + 1) / 2 + (self.T - self.seen) * self.seen)

    @property
    def flops(self) -> Array:
        """(rows,), two products for each pair of a query and a key that it sees."""
        return np.asarray(4.0 * self.B * self.N * self.D * self._pairs)

    @property
    def nbytes(self) -> Array:
        """(rows,): queries, keys and values read once, and the result written once."""
        of = self.format
        each = (of.left_bytes + of.out_bytes) * self.N + 2 * of.right_bytes * self.K
        return np.asarray(self.B * self.T * self.D * each)

    def ways(self, sms: int) -> Ways:
        """(ways, rows): each tile of queries, over whole blocks of keys, of which its mask leaves half the last out."""
        found = []
        for a in _QUERIES:
            waves = np.ceil(np.ceil(self.T / a) * self.B * self.N / sms)
            keys = self._pairs / self.T + a / 2
            found.append((waves, waves * (4.0 * a * self.D * keys), 1 / a + 1 / self.D, np.zeros_like(waves)))
        return Ways(*map(np.array, zip(*found, strict=True)))


LAUNCHES = Prefills
