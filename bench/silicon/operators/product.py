"""Products of two matrices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Table
from oneblock.bench.silicon.model import Demand, OfTiles, Ways

TILES = (
    (256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64), (128, 32), (32, 128),
    (64, 32), (32, 64), (32, 32), (128, 16), (16, 128), (64, 16), (16, 64), (32, 16), (16, 32),
)  # fmt: skip
_PARTS = (1, 2, 4, 8)  # of a product's inner axis, which are added up afterwards


@dataclass(frozen=True)
class Products(OfTiles):
    """(M, K) x (K, N)."""

    operator: ClassVar[str] = "product"
    tables: ClassVar[tuple[Table, ...]] = (Table("gemm_perf.parquet", ("gemm_dtype",)),)
    axes: ClassVar[tuple[str, ...]] = ("m", "n", "k")
    form: ClassVar[str] = "MxNxK"
    model: ClassVar[type[Demand]] = Demand
    M: Array
    N: Array
    K: Array

    @classmethod
    def at(cls, axes: Axes, of: Format) -> Products:
        """As of any launches."""
        return cls(of, axes["m"], axes["n"], axes["k"])

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
        of = self.format
        return np.asarray(
            of.left_bytes * self.M * self.K + of.right_bytes * self.K * self.N + of.out_bytes * self.M * self.N
        )

    def ways(self, sms: int) -> Ways:
        """(ways, rows): each tile, its inner axis whole or in parts."""
        a, b, parts = np.array([(*tile, parts) for tile, parts in product(TILES, _PARTS)], float).T[..., None]
        waves = np.ceil(np.ceil(self.M / a) * np.ceil(self.N / b) * parts / sms)
        same = np.ones_like(waves)
        return Ways(waves, waves * (2 * a * b * self.K / parts), same * (1 / a + 1 / b), same * (parts > 1))


LAUNCHES = Products
