"""Measuring one executable: the series of `_sampling.py`, with its answers checked before, within and after."""

from __future__ import annotations

import random
import resource
import sys
from statistics import median
from typing import Any

from oneblock.backends.api.backend import DeviceClock, Executable
from oneblock.backends.api.evidence import DeviceEvidence, DeviceState, Witness
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.cells.tiers import tier as find_tier
from oneblock.bench.records import environment
from oneblock.bench.records.record import Launch
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import MeasureJob
from oneblock.bench.worker.sampling import calls_for, quiet, series, time_calls, warm_up
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named, make_inputs
from oneblock.workloads.answers.reference import Golden
from oneblock.workloads.answers.verdict import Check


class Subject:
    """An executable with its weights on the device, and the references for its inputs."""

    def __init__(self, workload: Workload, cell: Cell, executable: Executable, golden: Golden, weights: Named) -> None:
        self.workload, self.cell, self.executable, self.golden = workload, cell, executable, golden
        self.weights = executable.put(weights)

    def args(self, i: int) -> dict[str, Any]:
        """The arguments with input i, of seed `input_seed + i`, copied to the device now."""
        inputs = make_inputs(self.workload, self.cell.case, self.cell.dtype, self.cell.input_seed + i)
        return {**self.weights, **self.executable.put(inputs)}

    def check(self, i: int, out: Any = None) -> Check:
        """The verdict on the answer to input i, computed now unless it is given."""
        if out is None:
            out = self.executable.call(self.args(i))
            self.executable.wait(out)
        return self.golden.check(self.executable.get(out), i)


class _Fresh:
    """Calls of inputs never seen before; a few of them, chosen at random, have references and are kept."""

    def __init__(self, subject: Subject, job: MeasureJob, tier: Tier) -> None:
        self.subject, self.index = subject, job.index
        self.kept = random.Random(f"{job.cell.input_seed}/{job.index}").sample(range(tier.least), tier.rechecks)
        self.timed: list[tuple[int, Any]] = []
        self.calls = 0

    def call(self) -> float:
        """The seconds of one."""
        known = 1 + len(self.timed) if self.calls in self.kept else None  # inputs 1, 2, ... have references
        self.calls += 1
        unseen = self.subject.args(known if known is not None else 1000 * (self.index + 1) + self.calls)
        seconds, out = time_calls(self.subject.executable, unseen)
        if known is not None:
            self.timed.append((known, out))
        return seconds


def time_launch(job: MeasureJob, subject: Subject, import_s: float, compile_s: float) -> tuple[Launch, Check]:
    """(what was measured, the worst verdict on outputs of timed calls and on one call after the loop)."""
    tier, executable = find_tier(job.tier), subject.executable
    started, load_before = environment.now(), environment.load_average()
    args = subject.args(0)

    def cold() -> float:
        executable.flush(job.flush_bytes)
        return time_calls(executable, args)[0]

    fresh, witness = _Fresh(subject, job, tier), executable if isinstance(executable, Witness) else None
    with quiet():
        say("phase", name="warming up")
        warmup_s = warm_up(executable, args, tier)
        batch = calls_for(median(warmup_s))
        before = witness.state(args) if witness is not None else None
        say("phase", name="timing")
        cold_s, stopped_by = series(cold, tier, tier.rel_stderr)
        warm_s, _ = series(lambda: time_calls(executable, args, batch)[0], tier)
        fresh_s, _ = series(fresh.call, tier)
        device_s: list[float] = []
        if isinstance(executable, DeviceClock):
            device_s = executable.device_seconds(args, len(cold_s), job.flush_bytes)
        after = witness.state(args) if witness is not None else None
    say("phase", name="checking again")
    _, last = time_calls(executable, args)  # the very arguments that were timed: a call may not have changed them
    verdicts = [*(subject.check(i, out) for i, out in fresh.timed), subject.check(0, last)]
    peak_bytes = executable.peak_bytes()
    evidence: DeviceEvidence | None = None
    if witness is not None and before is not None and after is not None:
        evidence = _evidence(witness, args, tier, before, after)
    launch = Launch(
        index=job.index,
        started=started,
        cold_compile=job.cold_compile,
        import_s=import_s,
        compile_s=compile_s,
        warmup_s=tuple(warmup_s),
        cold_s=tuple(cold_s),
        warm_s=tuple(warm_s),
        fresh_s=tuple(fresh_s),
        calls_per_sample=batch,
        rechecked=len(fresh.timed),
        timer=executable.timer,
        flushed_bytes=job.flush_bytes,
        peak_rss_bytes=_peak_rss_bytes(),
        device_peak_bytes=peak_bytes,
        load_before=load_before,
        load_after=environment.load_average(),
        compilations_by_calls=0,
        stopped_by=stopped_by,
        device_s=tuple(device_s),
        evidence=evidence,
    )
    return launch, next((verdict for verdict in verdicts if not verdict.passed), verdicts[-1])


def _evidence(
    witness: Witness, args: dict[str, Any], tier: Tier, before: DeviceState, after: DeviceState
) -> DeviceEvidence:
    """What the device tells beside the series, after the answers are checked: nothing of it can spoil them."""
    energy = None
    if tier.energy_window_s is not None:
        say("phase", name=f"counting energy for {tier.energy_window_s:g} s")
        energy = witness.energy(args, tier.energy_window_s)
    say("phase", name="timing by other clocks")
    with quiet():
        return DeviceEvidence(before, after, witness.timers(args), energy)


def _peak_rss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
