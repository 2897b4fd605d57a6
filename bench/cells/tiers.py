"""Tiers: how much measuring a number is worth."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.workloads.ops.nearest import unknown


@dataclass(frozen=True)
class Tier:
    """How a cell is measured. A launch is one process; `processes` x `rounds` launches go round robin over the cells.

    The launches of the first round compile with empty caches (cold), those of later rounds find them filled (warm).
    """

    name: str
    processes: int
    rounds: int
    warmup_calls: int
    warmup_s: float
    settle: float | None  # warm up until the medians of the last two quarters agree so well; None: do not wait for it
    samples: int
    sample_s: float
    rel_stderr: float | None  # and the cold series goes on until its standard error is so small; None: count is enough
    cap_s: float  # a series stops here at the latest, with at least `least` samples
    rechecks: int  # timed calls at the least whose answers are judged; more where that takes no time
    min_effect: float  # the smallest difference worth a verdict
    least: int = 5
    warmup_most: int = 300
    energy_window_s: float | None = None  # of work over which a device's energy is counted; None: it is not

    @property
    def launches(self) -> int:
        """How many processes measure one cell."""
        return self.processes * self.rounds


TIERS = {
    tier.name: tier
    for tier in (
        Tier("smoke", 1, 1, 3, 0.025, None, 20, 0.0, None, 1.5, 3, 0.10),
        Tier("standard", 3, 2, 10, 0.1, 0.05, 30, 0.5, 0.005, 15.0, 3, 0.03, energy_window_s=10.0),
        Tier("publish", 5, 3, 10, 5.0, 0.05, 100, 2.0, 0.001, 30.0, 3, 0.03, energy_window_s=10.0),
    )
}


def tier(name: str) -> Tier:
    """The tier of that name; LookupError offers the nearest names."""
    if name not in TIERS:
        raise LookupError(unknown("tier", name, list(TIERS)))
    return TIERS[name]
