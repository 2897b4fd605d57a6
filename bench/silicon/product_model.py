"""How long a GPU takes for one matrix product, by a roofline with six shares and costs that silicon states. Modelled.

    seconds = launch + (compute^overlap + memory^overlap)^(1 / overlap)
    compute = least over tiles (a, b) and parts s of K of
              waves * (2 a b (K / s) / (peak / SMs) / flops_share * (1 + edge (1/a + 1/b)) + wave)
    waves   = ceil(ceil(M / a) ceil(N / b) s / SMs),    memory = bytes / (bandwidth * bandwidth_share)

The roofline (Williams et al. 2009), whole waves of tiles (NVIDIA, "Matrix Multiplication Background User's Guide": tile
and wave quantisation), a tile's operands, of which a part that shrinks with its sides is not hidden, and what a launch
and each wave cost. How far compute hides memory is the exponent: 1 adds them, and infinity shows the longer alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import least_squares

from oneblock.compilers.chips.chip import Gpu

TILES = (
    (256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64), (128, 32), (32, 128),
    (64, 32), (32, 64), (32, 32), (128, 16), (16, 128), (64, 16), (16, 64), (32, 16), (16, 32),
)  # fmt: skip
PARTS = (1, 2, 4, 8)  # of the inner axis, which are added up afterwards
Array = np.ndarray


@dataclass(frozen=True)
class Products:
    """Products (M, K) x (K, N) of a dtype of so many bytes, each side an array (rows,)."""

    M: Array
    N: Array
    K: Array
    itemsize: float

    @property
    def flops(self) -> Array:
        """FLOPs (rows,): a multiply-add is two."""
        return np.asarray(2.0 * self.M * self.N * self.K)

    @property
    def nbytes(self) -> Array:
        """Bytes (rows,): each operand read once, and the result written once."""
        return np.asarray(self.itemsize * (1.0 * self.M * self.K + self.K * self.N + self.M * self.N))

    def __len__(self) -> int:
        return len(self.M)

    def of(self, which: Array) -> Products:
        """Some of them: their numbers (rows,), or a truth value of each."""
        return Products(self.M[which], self.N[which], self.K[which], self.itemsize)


@dataclass(frozen=True)
class Limits:
    """What a data sheet says of a chip, as far as the model asks."""

    flops_per_s: float
    bytes_per_s: float
    sms: int

    @classmethod
    def stated(cls, gpu: Gpu, dtype: str) -> Limits:
        """Of a chip's own figures, each with its source there."""
        return cls(gpu.peaks[dtype].value, gpu.memory_bytes_per_s.value, gpu.sms.value)


@dataclass(frozen=True)
class Shares:
    """What a chip reaches of its limits, and what beginning costs it; fitted, and physical: shares are at most 1."""

    flops_share: float
    bandwidth_share: float
    launch_us: float
    edge: float  #: elements of a tile's side, beside which its operands are not hidden
    overlap: float
    wave_us: float

    def of_peak(self, a: int, b: int) -> float:
        """Which part of the peak a tile (a, b) reaches while it computes."""
        return self.flops_share / (1 + self.edge * (1 / a + 1 / b))


_BEGIN = Shares(0.8, 0.8, 4.0, 8.0, 3.0, 0.5)
_LEAST = Shares(0.05, 0.05, 0.1, 0.0, 1.0, 0.0)
_MOST = Shares(1.0, 1.0, 50.0, 100.0, 20.0, 10.0)
_ROBUST = 0.1  # of a logarithm: what lies farther counts less, since some rows are of another kernel


def bare_roofline(of: Products, limits: Limits) -> Array:
    """Seconds (rows,) of the longer of compute and memory, by the data sheet."""
    return np.maximum(of.flops / limits.flops_per_s, of.nbytes / limits.bytes_per_s)


class Demand:
    """Products on a chip, with all that no fitted number changes computed once."""

    def __init__(self, of: Products, limits: Limits) -> None:
        self.memory_s = of.nbytes / limits.bytes_per_s
        ways = [(a, b, parts) for a, b in TILES for parts in PARTS]
        waves, ideal, lost = [], [], []
        for a, b, parts in ways:
            count = np.ceil(np.ceil(of.M / a) * np.ceil(of.N / b) * parts / limits.sms)
            waves.append(count)
            ideal.append(count * (2.0 * a * b * (of.K / parts) / (limits.flops_per_s / limits.sms)))
            lost.append(1 / a + 1 / b)
        self.waves, self.ideal_s = np.array(waves), np.array(ideal)  # (ways, rows)
        self.lost, self.again = np.array(lost)[:, None], np.array([parts > 1 for *_, parts in ways])[:, None]

    def seconds(self, shares: Shares) -> Array:
        """The formula, (rows,)."""
        wave_s = shares.wave_us * 1e-6
        compute = self.ideal_s / shares.flops_share * (1 + shares.edge * self.lost) + (self.waves + self.again) * wave_s
        memory = self.memory_s / shares.bandwidth_share
        p = shares.overlap
        return np.asarray(shares.launch_us * 1e-6 + (compute.min(axis=0) ** p + memory**p) ** (1 / p))


def fitted(demands: list[Demand], seconds: list[Array]) -> Shares:
    """The shares of which the model is nearest to reported seconds (rows,) each, by the logarithm of their ratio."""

    def away(numbers: Array) -> Array:
        shares = Shares(*numbers)
        return np.concatenate([np.log(one.seconds(shares) / t) for one, t in zip(demands, seconds, strict=True)])

    bounds = (astuple(_LEAST), astuple(_MOST))
    found = least_squares(away, astuple(_BEGIN), bounds=bounds, loss="soft_l1", f_scale=_ROBUST)
    return Shares(*map(float, found.x))
