"""The search for the pass that changed something: pure, told by a function what a run without some passes gives.

The passes are taken in their order. With none of them it must be good and with all bad, or there is nothing to find.
Then halves, as in `git bisect`, between "good with the first K" and "bad with the first K + 1"; and as passes interact,
the found one is tried alone and left out alone; where leaving it out does not help, the next is looked for without it.
Passes that a program cannot be compiled without are found first, by halves too, and stay on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from oneblock.bench.worker.events import Observation


class Verdict(StrEnum):
    """Of a run."""

    GOOD = "good"
    BAD = "bad"
    CANNOT = "cannot run"


@dataclass(frozen=True)
class PassRun:
    """A run with some passes off."""

    what: str  # "the first 12 of 30", "all but fusion"
    off: tuple[str, ...]
    seen: Observation
    verdict: Verdict
    prepares: bool = False  # it only asked whether these can be off together


@dataclass(frozen=True)
class Change:
    """A pass after which the verdict or the count is another: only of a search that tries every pass in turn."""

    name: str
    before: Observation
    after: Observation


@dataclass(frozen=True)
class Finding:
    """What came of a search."""

    order: tuple[str, ...]  # the passes that can be switched off
    fixed: tuple[str, ...]  # those that the program cannot be compiled without
    tried: tuple[PassRun, ...]
    found: tuple[str, ...]  # one; several where what lies between could not be run; none where there is nothing to find
    number: int | None  # of the last of them in `order`, from 1
    before: Observation | None  # of the run that is good, without the found ones
    after: Observation | None  # and of the one with them
    off_before: tuple[str, ...]  # what is off in those two runs
    off_after: tuple[str, ...]
    says: tuple[str, ...]
    changes: tuple[Change, ...] = ()


_PREPARES = "does it run without "
Measure = Callable[[str, tuple[str, ...]], Observation]  # (in words, the passes that are off)
Ends = tuple[Observation, Observation]  # the runs with no pass on and with every one
Bad = Callable[
    [Observation, Ends | None], bool | None
]  # of a run; None where that takes the ends, and they are not known yet


def search(names: Sequence[str], measure: Measure, bad: Bad, *, linear: bool = False) -> Finding:
    """Find the first pass with which it is bad; with `linear` by trying every one in turn, which lists all changes."""
    return _Search(tuple(names), measure, bad).run(linear=linear)


class _Search:
    """The state of a search: what was seen, and with which passes off."""

    def __init__(self, names: tuple[str, ...], measure: Measure, bad: Bad) -> None:
        self.names, self.measure, self.bad = names, measure, bad
        self.seen: dict[tuple[str, ...], tuple[str, Observation]] = {}
        self.fixed: list[str] = []
        self.ends: Ends | None = None

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.fixed)

    def run(self, *, linear: bool) -> Finding:
        every = self.look("every pass", ())
        if not every.ran:
            return self.end(f"with every pass on it does not run: {every.why}")
        if self.bad(every, None) is False:
            return self.end("nothing to find: it is good with every pass on")
        self.switchable()
        base = self.first(0)
        if not base.ran:
            return self.end(f"with none of the passes on it does not run: {base.why}")
        self.ends = base, every
        if self.is_bad(base):
            return self.end(
                "it is bad with none of these passes on: the cause lies before them, or in what is always on"
            )
        if not self.is_bad(every):
            return self.end("nothing to find: with every pass on it is as with none")
        changes, said = self.every_prefix() if linear else ((), [])
        low, high = self.halves()
        found = self.order[low:high]
        if len(found) > 1:
            said.append(f"one of these: what is between does not run: {', '.join(found)}")
        elif (cure := self.cure(found[0])) is not None:
            said.append(f"with {found[0]} it is bad where passes after it are off, and leaving that out does not help")
            return self.end(*said, *self.confirm(cure), found=(cure,), off=((cure,), ()), changes=changes)
        else:
            said += self.confirm(found[0])
        return self.end(*said, found=found, off=(self.order[low:], self.order[high:]), changes=changes)

    def is_bad(self, seen: Observation) -> bool:
        verdict = self.bad(seen, self.ends)
        assert verdict is not None, "known as soon as the ends are"
        return verdict

    def look(self, what: str, off: Sequence[str]) -> Observation:
        """What a run without those gives; each is run once, and is called what it was last asked for as."""
        key = self.key(off)
        seen = self.seen[key][1] if key in self.seen else self.measure(what, key)
        self.seen[key] = what, seen
        return seen

    def key(self, off: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in self.names if name in set(off))

    def first(self, k: int, out: Sequence[str] = ()) -> Observation:
        """The run with the first passes, but for those that are out whatever `k` is."""
        what = {0: "none of them", len(self.order): "every pass"}.get(k, f"the first {k} of {len(self.order)}")
        if k and out:
            what += f" without {', '.join(out)}"
        return self.look(what, [*self.order[k:], *out])

    def switchable(self) -> None:
        """Find the passes that must stay on: as many as can be are switched off together."""
        off: list[str] = []

        def take(group: Sequence[str]) -> None:
            if not group:
                return
            if self.look(f"{_PREPARES}{len(off) + len(group)} of them", [*off, *group]).ran:
                off.extend(group)
            elif len(group) == 1:
                self.fixed.append(group[0])
            else:
                half = len(group) // 2
                take(group[:half])
                take(group[half:])

        take(self.names)

    def halves(self, out: Sequence[str] = ()) -> tuple[int, int]:
        """(how many passes it is good with, how many it is bad with), next to each other where all between runs."""
        low, high = 0, len(self.order)
        while (middle := self.runnable(low, high, out)) is not None:
            if self.is_bad(self.first(middle, out)):
                high = middle
            else:
                low = middle
        return low, high

    def runnable(self, low: int, high: int, out: Sequence[str]) -> int | None:
        """The number of passes nearest to the middle with which it runs."""
        near = sorted(range(low + 1, high), key=lambda k: abs(2 * k - low - high))
        return next((k for k in near if self.first(k, out).ran), None)

    def cure(self, name: str) -> str | None:
        """Another pass without which it is good, where it is bad without the found one; None where there is none.

        A compiler may need its later passes to be right, so that a run with the first ones alone is wrong for a reason
        of its own. A count has no such reason, and is not asked. The next is looked for by halves, with those that were
        no cure out: one after the other would be as many compilations as there are passes.
        """
        if self.without(name).passed is None:
            return None
        out = [name]
        while (seen := self.first(len(self.order), out)).ran and self.is_bad(seen):
            low, high = self.halves(out)
            flipping = [one for one in self.order[low:high] if one not in out]
            for one in flipping:
                if (seen := self.without(one)).ran and not self.is_bad(seen):
                    return one
            out += flipping
        return None

    def without(self, name: str) -> Observation:
        return self.look(f"all but {name}", (name,))

    def confirm(self, name: str) -> list[str]:
        """What the found pass does by itself, in sentences."""
        without = self.without(name)
        alone = self.look(f"{name} alone", [other for other in self.order if other != name])
        if not without.ran:
            said = [f"whether it is the only one is not known: the others do not run without it: {without.why}"]
        elif self.is_bad(without):
            said = [f"not the only one: with all but {name} it is there too; search again with --off {name}"]
        else:
            said = [f"with all but {name} it is gone"]
        if not alone.ran:
            return [*said, f"by itself it does not run: {alone.why}"]
        return [
            *said,
            "it is there with that pass alone" if self.is_bad(alone) else "it takes passes before it",
        ]

    def every_prefix(self) -> tuple[tuple[Change, ...], list[str]]:
        """Every pass that changes the verdict or the count; and that it is not monotone, where it is not."""
        runs = [(k, seen) for k in range(len(self.order) + 1) if (seen := self.first(k)).ran]
        changes, flips = [], []
        for (_, before), (k, after) in pairwise(runs):
            flipped = self.is_bad(before) != self.is_bad(after)
            flips += [self.order[k - 1]] if flipped else []
            if flipped or (after.passed is None and before.value != after.value):
                changes.append(Change(self.order[k - 1], before, after))
        if len(flips) < 2:
            return tuple(changes), []
        return tuple(changes), [f"not monotone: good and bad change places at {', '.join(flips)}; one of them is found"]

    def end(
        self, *says: str, found: tuple[str, ...] = (), off: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        changes: tuple[Change, ...] = (),
    ) -> Finding:  # fmt: skip
        before, after = (self.seen[self.key(one)][1] if found else None for one in off)
        tried = tuple(
            PassRun(what, off, seen, self.verdict(seen), what.startswith(_PREPARES))
            for off, (what, seen) in self.seen.items()
        )
        number = self.order.index(found[-1]) + 1 if found else None
        return Finding(self.order, tuple(self.fixed), tried, found, number, before, after, *off, says, changes)

    def verdict(self, seen: Observation) -> Verdict:
        if not seen.ran:
            return Verdict.CANNOT
        return Verdict.BAD if self.bad(seen, self.ends or (seen, seen)) else Verdict.GOOD
