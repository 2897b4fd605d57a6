"""Doubts: sentences that say why a number may be wrong. A number without any is unproven and unsuspected."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from oneblock.bench._record import Environment, Launch
from oneblock.bench._stats import centre, spread
from oneblock.bench._tiers import Tier


def doubts(launches: tuple[Launch, ...], environment: Environment, tier: Tier) -> list[str]:
    """Every reason that these launches give not to trust their numbers."""
    return [*_about_machine(launches, environment), *_about_samples(launches, tier), *_about_calls(launches)]


def _about_machine(launches: tuple[Launch, ...], environment: Environment) -> Iterator[str]:
    cores = environment.machine.get("cores")
    loads = [launch.load_before for launch in launches if launch.load_before is not None]
    if isinstance(cores, int) and loads and max(loads) > cores * 1.25:
        yield f"the load average was {max(loads):.1f} on {cores} cores as a process began: other work shared them"
    governor = environment.state.get("cpu_governor")
    if governor not in (None, "performance"):
        yield f"the CPU's frequency governor is {governor!r}: its clock may change while it is timed"


def _about_samples(launches: tuple[Launch, ...], tier: Tier) -> Iterator[str]:
    widest = max(spread(launch.cold_s) for launch in launches)
    if widest > 0.10:
        yield f"half of a process's samples spread over {widest:.0%} of their median"
    capped = [len(launch.cold_s) for launch in launches if launch.stopped_by == "cap"]
    if capped and min(capped) < tier.samples:
        yield f"only {min(capped)} of {tier.samples} samples fitted into the tier's {tier.cap_s:g} s"
    elif capped:
        yield f"the standard error was not below {tier.rel_stderr:.1%} of the mean when {tier.cap_s:g} s were over"
    middles = [median(launch.cold_s) for launch in launches]
    if len(middles) > 1 and max(middles) > 1.10 * min(middles):
        yield f"the medians of {len(middles)} processes differ by up to {max(middles) / min(middles) - 1:.0%}"


def _about_calls(launches: tuple[Launch, ...]) -> Iterator[str]:
    cold, fresh = (centre([getattr(launch, f"{name}_s") for launch in launches]) for name in ("cold", "fresh"))
    if fresh > 1.5 * cold:
        yield (
            f"an input never seen before takes {fresh / cold:.1f}x as long as one that was, even with cold caches: "
            f"results may be cached"
        )
    compiled = sum(launch.compilations_by_calls for launch in launches)
    if compiled:
        yield f"{compiled} compilations were started by calls, which must not compile"
