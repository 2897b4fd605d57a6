"""What a prefill and a decode share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.launches import Array
from oneblock.bench.silicon.model import Demand, OfTiles

HEADS = ("num_heads", "num_key_value_heads", "head_dim", "window_size")
DTYPES = ("attn_dtype", "kv_cache_dtype")


@dataclass(frozen=True)
class Attention(OfTiles):
    """Attention of B sequences of T tokens: N heads, K heads of keys and values, D wide, over a window or all."""

    absent: ClassVar[Mapping[str, float]] = {"window_size": 0.0}
    form: ClassVar[str] = "BxTxNxKxDxW"
    model: ClassVar[type[Demand]] = Demand
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
    def seen(self) -> Array:
        """Keys of the last query, (rows,)."""
        return np.where(self.window == 0, self.T, np.minimum(self.window, self.T))
