"""Estimates of a program's time on a TPU from what its compiler says, each with its repairs in words."""

from __future__ import annotations

import math

from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.chips.chip import Tpu


def xla(optimal_seconds: float | None) -> Estimate:
    """XLA's own `optimal_seconds`, which lacks one second for each operation that it has no estimate of.

    Such operations (custom calls) are entered as -1. The sum of the others is under a second for one block, so what is
    missing is the next whole number above. In float32 its digits end at 0.5 microseconds.
    """
    if optimal_seconds is None:
        return Estimate("xla", None, "the compiler gave no optimal_seconds for this program")
    missing = math.ceil(-optimal_seconds) if optimal_seconds < 0 else 0
    how = "XLA's optimal_seconds: sum over operations of max(FLOPs / peak, bytes / bandwidth), VMEM counted as HBM"
    if missing:
        how += f"; repaired: {optimal_seconds:.6f} + {missing}, as {missing} operations without an estimate count -1 s"
    return Estimate("xla", optimal_seconds + missing, how)


def hlo(cycles: float | None, chip: Tpu) -> Estimate:
    """The sum of the cost model's `estimated_cycles` of each operation."""
    if cycles is None:
        return Estimate("hlo", None, "the compiler gave no cycles, or not of every operation: see the caveats")
    if chip.clock_hz is None:
        return Estimate("hlo", None, f"{cycles:.0f} cycles; no clock is known for {chip.name}")
    clock = f"{chip.clock_hz / 1e9:.2f} GHz, which the peak implies"
    return Estimate("hlo", cycles / chip.clock_hz, f"{cycles:.0f} estimated cycles of XLA's operations at {clock}")


def llo(cycles: float | None, hbm_bytes: float | None, chip: Tpu, why: str) -> Estimate:
    """max(static LLO cycles / clock, HBM bytes / bandwidth): the simulation does not see prefetches from HBM."""
    if cycles is None or hbm_bytes is None:
        return Estimate("llo", None, why or "the traffic is not known")
    memory_s = hbm_bytes / chip.memory_bytes_per_s.value
    if chip.clock_hz is None:
        return Estimate("llo", None, f"{cycles:.0f} cycles, {memory_s * 1e6:.1f} us of HBM; no clock for {chip.name}")
    compute_s = cycles / chip.clock_hz
    by = "cycles" if compute_s > memory_s else "HBM"
    how = (
        f"max({cycles:.0f} static LLO cycles at {chip.clock_hz / 1e9:.2f} GHz = {compute_s * 1e6:.1f} us, "
        f"{hbm_bytes / 1e6:.1f} MB of HBM = {memory_s * 1e6:.1f} us): {by}"
    )
    return Estimate("llo", max(compute_s, memory_s), how)
