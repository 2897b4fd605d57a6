"""Whether a sample may count: what else had the machine while it was taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from oneblock.bench.records.disturbance import Disturbance, Pace, ignored
from oneblock.bench.worker.canary import Canary
from oneblock.bench.worker.contention import Waiting, Window

_WAITED_SHARE = 0.01  # of a sample's time: with less of waiting for a core it is clean
_WAITED_S = 20e-6  # what it takes to wake a thread on a core that nobody has; a process that runs there takes ms


class Sample(NamedTuple):
    """One measurement of the clock, and why it may not count."""

    seconds: float
    waited: bool  # threads of this process had no core for a while
    slowed: bool  # the canary was slow right before or after

    @property
    def clean(self) -> bool:
        """Whether it counts."""
        return not self.waited and not self.slowed


def as_it_comes(timed: Callable[[], float]) -> Sample:
    """A sample at which nobody looks."""
    return Sample(timed(), waited=False, slowed=False)


class Surroundings:
    """The machine around this process, looked at before and after each sample.

    With ONEBLOCK_DISTURBANCE=ignore it is not: every sample counts, the record says that nobody looked, and no verdict
    stands on it. That is for tests of everything else on a machine that is never quiet.
    """

    def __init__(self, best: Pace | None) -> None:
        self.waiting, self.canary, self.window = Waiting(), Canary(best), Window()
        self.ignored = ignored()

    def taken(self, timed: Callable[[], float], *, canary: bool = False) -> Sample:
        """One sample; without a canary the caches stay as they are."""
        if self.ignored:
            return as_it_comes(timed)
        quick = self.canary.settle() if canary else True
        self.waiting.mark()
        seconds = timed()
        waited_s = self.waiting.since() * 1e-9
        quick = (self.canary.still() and quick) if canary else True
        return Sample(seconds, waited_s > max(_WAITED_SHARE * seconds, _WAITED_S), not quick)

    def settled(self, timed: Callable[[], float]) -> Sample:
        """One sample, taken when the canary has settled."""
        return self.taken(timed, canary=True)

    def after_flush(self, timed: Callable[[], float]) -> Sample:
        """The same right after the caches were flushed, when a read tells how quick memory is."""
        quick = self.ignored or self.canary.read()
        sample = self.settled(timed)
        return sample if quick else sample._replace(slowed=True)

    def shared(self) -> bool:
        """Whether others had the cores: where nobody did, a program's threads waited for each other."""
        shares = self.window.shares()
        return shares is None or shares.any

    def evidence(self, samples: list[Sample], counted: int) -> Disturbance:
        """What was seen while these were taken, of which so many count."""
        if self.ignored:
            return Disturbance(seen_by="nothing", clean=counted)
        shares, canary = self.window.shares(), self.canary
        dirty: Any = ([], []) if counted == len(samples) else (
            [s.seconds for s in samples if s.waited], [s.seconds for s in samples if s.slowed and not s.waited],
        )  # fmt: skip
        return Disturbance(
            seen_by="run delay and canary" if self.waiting.told else "canary",
            clean=counted,
            waited_s=tuple(dirty[0]),
            slowed_s=tuple(dirty[1]),
            others_cores=None if shares is None else round(shares.others, 3),
            stolen_cores=None if shares is None else round(shares.stolen, 3),
            throttled_share=None if shares is None else round(shares.throttled, 3),
            pace=canary.pace(),
            best=canary.best,
        )
