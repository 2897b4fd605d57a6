"""Timing one launch: warmed up, then the series, of samples that nobody disturbed."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from oneblock.backends.api.backend import DeviceClock
from oneblock.backends.api.evidence import DeviceEvidence, DeviceState, Telemetry
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.records import environment
from oneblock.bench.records.disturbance import Disturbance, Pace
from oneblock.bench.records.record import Launch
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.sampling import Series, calls_for, quiet, series, time_calls, warm_up
from oneblock.bench.worker.surroundings import Sample, Surroundings
from oneblock.bench.worker.trial import LAST, Trial


@dataclass(frozen=True)
class TimingRequest:
    """How to time a launch of a cell."""

    cell: Cell
    tier: Tier
    index: int
    cold_compile: bool
    flush_bytes: int
    best: Pace | None  # of the canary, that this machine was seen to keep


class Disturbed(Exception):
    """Others had the machine for as long as a launch could wait."""

    def __init__(self, evidence: Disturbance, needed: int) -> None:
        tried = evidence.clean + evidence.dirty
        super().__init__(f"of {tried} samples {evidence.clean} count and {needed} are needed: {evidence.seen}")
        self.evidence = evidence


def time_launch(asked: TimingRequest, trial: Trial, args: dict[str, Any], import_s: float, compile_s: float) -> Launch:
    """What was measured; answers to be judged stay with the trial. Disturbed where others had the machine."""
    tier, executable = asked.tier, trial.executable
    started, load_before = environment.now(), environment.load_average()
    witness = executable if isinstance(executable, Telemetry) else None
    around = Surroundings(asked.best)
    taken = around.after_flush if asked.cell.target == "cpu" else around.settled
    patience_s = max(2 * tier.cap_s, import_s + compile_s)

    def timed(take: Callable[[], Sample], rel_stderr: float | None = None) -> Series:
        made = series(take, tier, rel_stderr, patience_s, around.shared)
        if made.stopped_by == "disturbed":
            raise Disturbed(around.evidence(made.samples, len(made.kept)), tier.least)
        return made

    with quiet():
        emit(Phase("warming up"))
        warmup_s = warm_up(executable, args, tier)
        batch = calls_for(median(warmup_s))
        before = witness.state(args) if witness is not None else None
        emit(Phase("timing"))
        cold = timed(lambda: trial.cold(asked.flush_bytes, taken), tier.rel_stderr)
        disturbance = around.evidence(cold.samples, len(cold.kept))
        warm = timed(lambda: around.taken(lambda: time_calls(executable, args, batch)[0]))
        trial.until_enough(tier.cap_s)
        trial.window(args, batch)
        device_s: list[float] = []
        if isinstance(executable, DeviceClock):
            device_s = executable.device_seconds(args, len(cold.kept), asked.flush_bytes)
        after = witness.state(args) if witness is not None else None
    trial.keep(LAST, time_calls(executable, args)[1])  # the very arguments that were timed: a call may not change them
    peak_bytes = executable.peak_bytes()
    evidence: DeviceEvidence | None = None
    if witness is not None and before is not None and after is not None:
        evidence = _evidence(witness, args, tier, before, after)
    return Launch(
        index=asked.index,
        started=started,
        cold_compile=asked.cold_compile,
        import_s=import_s,
        compile_s=compile_s,
        warmup_s=tuple(warmup_s),
        cold_s=tuple(cold.counted),
        warm_s=tuple(warm.counted),
        fresh_s=tuple(trial.fresh_s),
        calls_per_sample=batch,
        rechecked=0,
        timer=executable.timer,
        flushed_bytes=asked.flush_bytes,
        peak_rss_bytes=_peak_rss_bytes(),
        device_peak_bytes=peak_bytes,
        load_before=load_before,
        load_after=environment.load_average(),
        compilations_by_calls=0,
        stopped_by=cold.stopped_by,
        device_s=tuple(device_s),
        evidence=evidence,
        in_hand=trial.told(cold.kept),
        disturbance=disturbance,
    )


def _evidence(
    witness: Telemetry, args: dict[str, Any], tier: Tier, before: DeviceState, after: DeviceState
) -> DeviceEvidence:
    """What the device tells beside the series, after the answers are checked: nothing of it can spoil them."""
    energy = None
    if tier.energy_window_s is not None:
        emit(Phase(f"counting energy for {tier.energy_window_s:g} s"))
        energy = witness.energy(args, tier.energy_window_s)
    emit(Phase("timing by other clocks"))
    with quiet():
        return DeviceEvidence(before, after, witness.timers(args), energy)


def _peak_rss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
