"""Mixtures of experts: grouped products of the tokens that chose each expert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Table
from oneblock.bench.silicon.model import Demand, OfTiles, Ways
from oneblock.bench.silicon.operators.product import TILES

_SEED = 0


def _hundredths(distribution: str) -> float:
    """How unevenly tokens choose: 0 of "balanced", 120 of "power_law_1.2"; ValueError of another word."""
    if distribution == "balanced":
        return 0.0
    name, _, exponent = distribution.rpartition("_")
    if name != "power_law":
        raise ValueError(f"expected balanced or power_law_EXPONENT, got {distribution!r}")
    return round(100 * float(exponent))


@dataclass(frozen=True)
class Experts(OfTiles):
    """T tokens of width H, each through K of E experts of inner width I, on one of P x R GPUs.

    P GPUs have a part of each expert's inner width, R a part of the experts; what is timed is the GPU whose experts
    most tokens chose. An expert is three products, two up and one down; no column says which models have no gate,
    whose rows of two products look faster than they are.
    """

    operator: ClassVar[str] = "experts"
    tables: ClassVar[tuple[Table, ...]] = (
        Table("moe_perf.parquet", ("moe_dtype",), apart=("kernel_source", "version")),
    )
    axes: ClassVar[tuple[str, ...]] = (
        "num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size", "distribution",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Callable[[str], float]]] = {"distribution": _hundredths}
    form: ClassVar[str] = "TxHxIxKxExPxRxS"
    model: ClassVar[type[Demand]] = Demand
    T: Array
    H: Array
    inner: Array
    K: Array
    E: Array
    P: Array
    R: Array
    skew: Array  #: hundredths of the exponent by which tokens choose; 0 where all experts have as many

    @classmethod
    def at(cls, axes: Axes, of: Format) -> Experts:
        """As of any launches."""
        return cls(of, *(axes[name] for name in cls.axes))

    @property
    def group(self) -> Array:
        """(5, rows): those with the same weights on a GPU tell of each other."""
        return np.stack([self.H, self._inner, self.E, self.K, self.R])

    @property
    def _inner(self) -> Array:
        return np.asarray(self.inner / self.P)

    @cached_property
    def _loads(self) -> list[Array]:
        """Tokens of each expert of the GPU, an array (experts,) for each row."""
        keys = zip(self.T, self.K, self.E, self.R, self.skew, strict=True)
        return [_tokens(*map(int, key)) for key in keys]

    @property
    def flops(self) -> Array:
        """(rows,), three products for each token of each of its experts here."""
        return np.asarray(6.0 * self.H * self._inner * np.array([load.sum() for load in self._loads]))

    @property
    def nbytes(self) -> Array:
        """(rows,): weights of experts that a token chose; tokens in, between the products, and out."""
        of, pairs = self.format, np.array([load.sum() for load in self._loads])
        touched = np.array([np.count_nonzero(load) for load in self._loads])
        weights = of.right_bytes * 3 * self.H * self._inner * touched
        between = pairs * self._inner * (3 * of.out_bytes + of.left_bytes)
        return np.asarray(weights + pairs * self.H * (of.left_bytes + of.out_bytes) + between)

    def ways(self, sms: int) -> Ways:
        """(ways, rows): each tile, first over the products up and then over those down."""
        high = {a: np.array([np.ceil(load / a).sum() for load in self._loads]) for a in {a for a, _ in TILES}}
        found = []
        for a, b in TILES:
            up = np.ceil(high[a] * np.ceil(2 * self._inner / b) / sms)
            down = np.ceil(high[a] * np.ceil(self.H / b) / sms)
            flops = 2.0 * a * b * (up * self.H + down * self._inner)
            found.append((up + down, flops, np.full_like(up, 1 / a + 1 / b), np.zeros_like(up)))
        return Ways(*map(np.array, zip(*found, strict=True)))


@cache
def _tokens(T: int, K: int, E: int, R: int, skew: int) -> Array:
    """Tokens of each expert (E / R,) of the GPU that has most, as aiconfigurator's collector deals T * K choices.

    Evenly, a token's choices lie E / K apart, and the next token's begin one further. Unevenly, the experts' shares are
    quantiles of a power law from 1 to 0.8 T, dealt to them by lot, and whole tokens those of the largest remainders.
    """
    if not skew:
        first, apart = np.arange(T)[:, None], np.arange(K) * -(-E // K)
        whole = np.bincount(((first + apart) % E).ravel(), minlength=E).astype(float)
    else:
        power, most = 1 - skew / 100, max(0.8 * T, 2.0)
        shares = (1 + (most**power - 1) * (np.arange(E) + 0.5) / E) ** (1 / power)
        exact = np.minimum(np.random.default_rng(_SEED).permutation(shares / shares.sum()) * T * K, T)
        whole = np.floor(exact)
        rest = int(T * K - whole.sum())
        whole[np.argsort(whole - exact, kind="stable")[: max(rest, 0)]] += 1
    of_gpus = whole.reshape(R, -1) if E % R == 0 else whole[None]
    return np.asarray(of_gpus[np.argmax(of_gpus.sum(axis=1))])


LAUNCHES = Experts
