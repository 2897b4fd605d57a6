"""Which configuration of a kernel to launch, without a clock: what spills or does not fit is out, the formula ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One way to carry out a launch: what it was built as, and what the formula says of it."""

    kernel: str
    config: str
    modelled_s: float | None  # None: it cannot be built
    registers: int | None = None
    spill_bytes: int | None = None
    shared_bytes: int | None = None
    occupancy: float | None = None
    why_not: str | None = None  # the compiler's reason
    measured_s: float | None = None  # on a device: the median of a few calls, with a cold L2

    @property
    def _order(self) -> tuple[bool, int, float, int]:
        seconds = float("inf") if self.modelled_s is None else self.modelled_s
        return (self.modelled_s is None, self.spill_bytes or 0, seconds, self.registers or 0)


def rank(candidates: Sequence[Candidate]) -> list[int]:
    """Their numbers, the best first. What spills comes after all that does not; of equal times, fewer registers first.

    ValueError with every reason where none can be built.
    """
    order = sorted(range(len(candidates)), key=lambda i: candidates[i]._order)
    if candidates[order[0]].modelled_s is None:
        reasons = dict.fromkeys(c.why_not or "" for c in candidates)
        raise ValueError("; ".join(reasons))
    return order


def regret(candidates: Sequence[Candidate]) -> float | None:
    """How much longer the model's choice takes than the measured best: 0.07 is 7 %; None where one is not measured."""
    chosen = candidates[rank(candidates)[0]].measured_s
    measured = [c.measured_s for c in candidates if c.measured_s is not None]
    return None if chosen is None or not measured else chosen / min(measured) - 1.0


def table(title: str, candidates: Sequence[Candidate]) -> str:
    """The candidates of one launch as lines, the best first."""
    rows = [("", "kernel", "config", "modelled us", "measured us", "registers", "spills B", "shared B", "occupancy")]
    for place, i in enumerate(rank(candidates), 1):
        c = candidates[i]
        times = ("" if s is None else f"{s * 1e6:.2f}" for s in (c.modelled_s, c.measured_s))
        share = "" if c.occupancy is None else f"{c.occupancy:.0%}"
        counts = ("" if n is None else str(n) for n in (c.registers, c.spill_bytes, c.shared_bytes))
        rows.append((str(place), c.kernel, c.config, *times, *counts, share if c.why_not is None else c.why_not))  # type: ignore[arg-type]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = ["  ".join([*(w.ljust(n) for w, n in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows]
    lost = regret(candidates)
    note = "" if lost is None else f"   (the model's choice takes {lost:.1%} longer than the measured best)"
    return "\n".join([f"{title}{note}", *lines]) + "\n"
