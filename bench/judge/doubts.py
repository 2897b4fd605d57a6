"""Doubts: why a number may be wrong, each with its cause. A number without any is unproven and unsuspected."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from oneblock.backends.api.evidence import KERNELS, DeviceEvidence
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.judge.stats import spread
from oneblock.bench.records.disturbance import SLOWER
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Environment, Launch

TIMERS_AGREE = 0.03  # two timers of one call may differ by so much of the shorter
_SLOW_CLOCK = 0.75  # of the highest: a device at work below it is held back
_CLOCK_MOVES = 0.05


def doubts(launches: tuple[Launch, ...], environment: Environment, tier: Tier) -> list[Doubt]:
    """Every reason that these launches give not to trust their numbers."""
    return [
        *_about_machine(launches, environment),
        *_about_samples(launches, tier),
        *_about_calls(launches),
        *_about_device([launch.evidence for launch in launches if launch.evidence is not None]),
    ]


def _about_machine(launches: tuple[Launch, ...], environment: Environment) -> Iterator[Doubt]:
    cores = environment.machine.get("cores")
    # Where waiting for a core was looked at, a sample that others disturbed is not among those that count.
    blind = [one for one in launches if one.disturbance is None or one.disturbance.seen_by == "canary"]
    loads = [launch.load_before for launch in blind if launch.load_before is not None]
    if isinstance(cores, int) and loads and max(loads) > cores * 1.25:
        load = f"the load average was {max(loads):.1f} on {cores} cores as a process began: other work shared them"
        yield Doubt(Cause.CORES_SHARED, load)
    if any(one.disturbance is not None and one.disturbance.unwatched for one in launches):
        yield Doubt(
            Cause.CORES_SHARED, "nobody looked whether others disturbed it: ONEBLOCK_DISTURBANCE=ignore was set"
        )
    yield from _about_pace(launches)
    governor = environment.state.get("cpu_governor")
    if governor not in (None, "performance"):
        moves = f"the CPU's frequency governor is {governor!r}: its clock may change while it is timed"
        yield Doubt(Cause.CLOCK_MOVES, moves)


def _about_pace(launches: tuple[Launch, ...]) -> Iterator[Doubt]:
    """A machine that was slow though nobody was to be seen on it: so it was timed, and it can do better."""
    seen = [one.disturbance for one in launches if one.disturbance is not None]
    slower = [one.pace.product_s / one.best.product_s for one in seen if one.pace is not None and one.best is not None]
    if slower and max(slower) > SLOWER:
        slow = f"a small product took {max(slower):.1f}x its best meanwhile, though no process here disturbed it"
        yield Doubt(Cause.MACHINE_SLOW, slow)


def _about_samples(launches: tuple[Launch, ...], tier: Tier) -> Iterator[Doubt]:
    widest = max(spread(launch.cold_s) for launch in launches)
    if widest > 0.10:
        yield Doubt(Cause.SAMPLES_SPREAD, f"half of a process's samples spread over {widest:.0%} of their median")
    capped = [len(launch.cold_s) for launch in launches if launch.stopped_by == "cap"]
    if capped and min(capped) < tier.samples:
        few = f"only {min(capped)} of {tier.samples} samples fitted into the tier's {tier.cap_s:g} s"
        yield Doubt(Cause.SAMPLES_LACK, few)
    elif capped:
        wide = f"the standard error was not below {tier.rel_stderr:.1%} of the mean when {tier.cap_s:g} s were over"
        yield Doubt(Cause.SAMPLES_LACK, wide)
    middles = [median(launch.cold_s) for launch in launches]
    if len(middles) > 1 and max(middles) > 1.10 * min(middles):
        apart = f"the medians of {len(middles)} processes differ by up to {max(middles) / min(middles) - 1:.0%}"
        yield Doubt(Cause.PROCESSES_DIFFER, apart)


def _about_calls(launches: tuple[Launch, ...]) -> Iterator[Doubt]:
    unseen = sum(one.in_hand is not None and not one.in_hand.enough(one.fresh_s) for one in launches)
    if unseen:
        words = f"{unseen} of {len(launches)} processes never had the cores to themselves for long enough to tell "
        yield Doubt(Cause.WORK_UNSEEN, f"{words}whether all work lies within their clocks")
    compiled = sum(launch.compilations_by_calls for launch in launches)
    if compiled:
        yield Doubt(Cause.CALLS_COMPILE, f"{compiled} compilations were started by calls, which must not compile")


def _about_device(found: list[DeviceEvidence]) -> Iterator[Doubt]:
    states = [state for evidence in found for state in (evidence.before, evidence.after)]
    reasons = dict.fromkeys(reason for state in states for reason in state.throttled_by or ())
    if reasons:
        throttled = f"the device was throttled while it was timed, by: {', '.join(reasons)}"
        yield Doubt(Cause.DEVICE_HELD_BACK, throttled)
    shares = [s.sm_mhz / s.sm_max_mhz for s in states if s.sm_mhz is not None and s.sm_max_mhz]
    if shares and min(shares) < _SLOW_CLOCK:
        slow = f"the device's clock was at {min(shares):.0%} of its highest while it was timed"
        yield Doubt(Cause.DEVICE_HELD_BACK, slow)
    clocks = [state.sm_mhz for state in states if state.sm_mhz]
    if clocks and max(clocks) > (1 + _CLOCK_MOVES) * min(clocks):
        moved = f"the device's clock was {min(clocks)} MHz at one time and {max(clocks)} MHz at another"
        yield Doubt(Cause.CLOCK_MOVES, moved)
    apart = [(spread, evidence) for evidence in found if (spread := timers_apart(evidence)) is not None]
    if apart:
        widest, evidence = max(apart, key=lambda pair: pair[0])
        if widest > TIMERS_AGREE:
            by_timer = ", ".join(f"{t.name} {t.seconds * 1e6:.4g} µs" for t in evidence.timers if t.seconds)
            words = f"timers of the same call differ by {widest:.1%}, more than {TIMERS_AGREE:.0%}: {by_timer}"
            yield Doubt(Cause.TIMERS_DISAGREE, words)


def timers_apart(evidence: DeviceEvidence) -> float | None:
    """By how much the longest of the device's timers exceeds the shortest; None where there is one, or none.

    The sum of the kernels is none of them: it leaves out what passes between two.
    """
    medians = [timer.seconds for timer in evidence.timers if timer.seconds and timer.name != KERNELS]
    return max(medians) / min(medians) - 1 if len(medians) > 1 else None
