"""How long a GPU takes for one launch, by a roofline with six shares and costs that silicon states. Kind: modelled.

    seconds = launch + (compute^overlap + memory^overlap)^(1 / overlap)
    compute = least over ways of: FLOPs of the busiest multiprocessor / (peak / SMs) / flops_share
              * (1 + edge * sum of 1 / side of its tile) + waves * wave
    memory  = bytes / (bandwidth * bandwidth_share)

The roofline (Williams et al. 2009), whole waves of tiles (NVIDIA, "Matrix Multiplication Background User's Guide": tile
and wave quantisation), a tile's operands, of which a part that shrinks with its sides is not hidden, and what a launch
and each wave cost. How far compute hides memory is the exponent: 1 adds them, and infinity shows the longer alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import least_squares

from oneblock.bench.silicon.launches import Array, Launches
from oneblock.compilers.chips.chip import Gpu


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

    def of_peak(self, *sides: int) -> float:
        """Which part of the peak a tile of these sides reaches while it computes."""
        return self.flops_share / (1 + self.edge * sum(1 / side for side in sides))


_BEGIN = Shares(0.8, 0.8, 4.0, 8.0, 3.0, 0.5)
_LEAST = Shares(0.05, 0.05, 0.1, 0.0, 1.0, 0.0)
_MOST = Shares(1.0, 1.0, 50.0, 200.0, 20.0, 20.0)
_ROBUST = 0.1  # of a logarithm: what lies farther counts less, since some rows are of another kernel


def bare_roofline(of: Launches, limits: Limits) -> Array:
    """Seconds (rows,) of the longer of compute and memory, by the data sheet."""
    return np.maximum(of.flops / limits.flops_per_s, of.nbytes / limits.bytes_per_s)


class Demand:
    """Launches on a chip, with all that no fitted number changes computed once."""

    def __init__(self, of: Launches, limits: Limits) -> None:
        ways = of.ways(limits.sms)
        self.memory_s = of.nbytes / limits.bytes_per_s
        self.ideal_s = ways.flops_of_sm / (limits.flops_per_s / limits.sms)
        self.lost, self.passes = ways.lost, ways.waves + ways.again

    def seconds(self, shares: Shares) -> Array:
        """The formula, (rows,)."""
        compute = (
            self.ideal_s / shares.flops_share * (1 + shares.edge * self.lost) + self.passes * shares.wave_us * 1e-6
        )
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
