"""How long GPUs take to add up what each of them has, by six numbers that silicon states. Kind: modelled.

    seconds = launch + hop * (GPUs - 2) + the lesser of two ways
    quick   = (GPUs - 1) * bytes / (bandwidth * quick_share)
    bulk    = setup + 2 * (GPUs - 1) / GPUs * bytes / bandwidth
    bandwidth = link * link_share * (2 / GPUs)^contention

The cost of a message as latency and bytes over bandwidth (Hockney 1994), and what each way sends (Thakur, Rabenseifner
and Gropp 2005): quick, every GPU reads all of every other at once, with words that say themselves that they are there
(NCCL's LL protocol), which costs a part of the bandwidth; bulk, each adds up its part and hands it round. A switch
gives every GPU its whole link however many they are (contention 0); a bus is shared by all (1), and what crosses from
one processor's bus to another's is slower still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from oneblock.bench.silicon.launches import Array, Launches, Limits

_UNSTATED_BYTES_PER_S = 100e9  # what a link is told in parts of, where none is stated: then it is bounded by nothing
_MOST_US = 200.0  # eager launches of a framework included


class Exchanged(Launches, Protocol):
    """What GPUs exchange."""

    @property
    def gpus(self) -> Array:
        """(rows,), 2 or more."""


@dataclass(frozen=True)
class LinkNumbers:
    """What a chip's links reach, and what beginning costs; fitted. A share is of one way, and at most 1 if stated."""

    launch_us: float
    hop_us: float
    link_share: float
    setup_us: float
    quick_share: float
    contention: float

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each, in order; a link is bounded where all chips state theirs."""
        known = all(one.link_bytes_per_s is not None for one in limits)
        most_us, most = (1000.0, 10.0) if lifted else (_MOST_US, 1.0 if known else 100.0)
        begin = (5.0, 1.0, 0.7, 5.0, 0.4, 0.1)
        return (0.1, 0.0, 0.001, 0.0, 0.02, 0.0), begin, (most_us, most_us, most, most_us, 1.0, 3.0)

    def at_bound(self, limits: Limits) -> list[str]:
        """Which are at what a link or a launch can be at most."""
        stated = limits.link_bytes_per_s is not None
        found = ["all of the link"] if stated and self.link_share >= _NEAR else []
        return found + [f"{_MOST_US:g} µs of launch"] * (self.launch_us >= _NEAR * _MOST_US)

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them."""
        stated = limits.link_bytes_per_s is not None
        return {
            "link, GB/s": f"{self.link_share * _link(limits) / 1e9:.0f}",
            "of link, one way": f"{self.link_share:.2f}" if stated else "none stated",
            "launch, µs": f"{self.launch_us:.1f}", "hop, µs": f"{self.hop_us:.2f}", "setup, µs": f"{self.setup_us:.1f}",
        }  # fmt: skip


_NEAR = 0.99  # of a bound


def _link(limits: Limits) -> float:
    return limits.link_bytes_per_s or _UNSTATED_BYTES_PER_S


class Exchange:
    """Exchanges among GPUs, with all that no fitted number changes computed once."""

    numbers: ClassVar[type[LinkNumbers]] = LinkNumbers

    def __init__(self, of: Exchanged, limits: Limits) -> None:
        self.gpus = of.gpus
        self.whole_s = (of.gpus - 1) * of.nbytes / _link(limits)
        self.parts_s = 2 * (of.gpus - 1) / of.gpus * of.nbytes / _link(limits)

    @staticmethod
    def travels(limits: Limits) -> bool:
        """Only where the link is stated is its share one."""
        return limits.link_bytes_per_s is not None

    def seconds(self, numbers: LinkNumbers) -> Array:
        """The formula, (rows,)."""
        share = numbers.link_share * (2 / self.gpus) ** numbers.contention
        quick_s = self.whole_s / (share * numbers.quick_share)
        bulk_s = numbers.setup_us * 1e-6 + self.parts_s / share
        begin_us = numbers.launch_us + numbers.hop_us * (self.gpus - 2)
        return np.asarray(begin_us * 1e-6 + np.minimum(quick_s, bulk_s))
