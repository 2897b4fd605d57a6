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

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from oneblock.bench.silicon.launches import Array, Launches, Limits, Sizes

_LARGE_TILE = (256, 128)


@dataclass(frozen=True)
class Ways:
    """What each way of computing asks for, all (ways, rows)."""

    waves: Array  #: of tiles over the multiprocessors
    flops_of_sm: Array  #: of the multiprocessor that has most to do
    lost: Array  #: one over each side of a tile, added up: what of its operands is not hidden, by the model's `edge`
    again: Array  #: whether parts are added up in another pass


class Tiled(Launches, Protocol):
    """Launches of tiles that multiprocessors compute."""

    @property
    def flops(self) -> Array:
        """(rows,); a multiply-add is two."""

    def ways(self, sms: int) -> Ways:
        """(ways, rows) on so many multiprocessors."""


@dataclass(frozen=True)
class OfTiles(Sizes):
    """Sizes of launches that have FLOPs and bytes, and by them the data sheet's roofline."""

    flops: ClassVar[Any]
    nbytes: ClassVar[Any]

    def floor_s(self, limits: Limits) -> Array:
        """Seconds (rows,) of the longer of compute and memory, by the data sheet."""
        return np.asarray(np.maximum(self.flops / limits.flops_per_s, self.nbytes / limits.bytes_per_s))


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

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each, in order."""
        most = (10.0, 10.0, 500.0, 200.0, 20.0, 200.0) if lifted else astuple(_MOST)
        return astuple(_LEAST), astuple(_BEGIN), most

    def at_bound(self, limits: Limits) -> list[str]:
        """Of the peak by a large tile: its share and `edge` trade with each other, and only together are physical."""
        near = 0.99
        values = {
            "all of the peak": self.of_peak(*_LARGE_TILE) / _MOST.flops_share,
            "all of the bandwidth": self.bandwidth_share / _MOST.bandwidth_share,
            f"{_MOST.launch_us:g} µs of launch": self.launch_us / _MOST.launch_us,
            f"{_MOST.wave_us:g} µs for a wave": self.wave_us / _MOST.wave_us,
        }
        return [what for what, value in values.items() if value >= near]

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them."""
        return {
            "of peak, tile 128 x 128": f"{self.of_peak(128, 128):.2f}",
            "of bandwidth": f"{self.bandwidth_share:.2f}",
            "launch, µs": f"{self.launch_us:.1f}", "wave, µs": f"{self.wave_us:.2f}",
        }  # fmt: skip


_BEGIN = Shares(0.8, 0.8, 4.0, 8.0, 3.0, 0.5)
_LEAST = Shares(0.05, 0.05, 0.1, 0.0, 1.0, 0.0)
_MOST = Shares(1.0, 1.0, 50.0, 200.0, 20.0, 20.0)


class Tiles:
    """What ways of computing ask of a chip's multiprocessors."""

    def __init__(self, ways: Ways, limits: Limits) -> None:
        self.ideal_s = ways.flops_of_sm / (limits.flops_per_s / limits.sms)
        self.lost, self.passes = ways.lost, ways.waves + ways.again

    def seconds(self, numbers: Shares) -> Array:
        """(rows,) by the quickest way."""
        tiles_s = self.ideal_s / numbers.flops_share * (1 + numbers.edge * self.lost)
        return np.asarray((tiles_s + self.passes * numbers.wave_us * 1e-6).min(axis=0))


def combined(compute_s: Array, memory_s: Array, numbers: Shares) -> Array:
    """(rows,) of a launch whose bytes take `memory_s` at the data sheet's bandwidth."""
    reached_s, p = memory_s / numbers.bandwidth_share, numbers.overlap
    return np.asarray(numbers.launch_us * 1e-6 + (compute_s**p + reached_s**p) ** (1 / p))


class Demand:
    """Launches of tiles on a chip, with all that no fitted number changes computed once."""

    numbers: ClassVar[type[Shares]] = Shares

    def __init__(self, of: Tiled, limits: Limits) -> None:
        self.memory_s = of.nbytes / limits.bytes_per_s
        self.tiles = Tiles(of.ways(limits.sms), limits)

    @staticmethod
    def travels(limits: Limits) -> bool:
        """They are shares of what every chip states."""
        return True

    def seconds(self, numbers: Shares) -> Array:
        """The formula, (rows,)."""
        return combined(self.tiles.seconds(numbers), self.memory_s, numbers)
