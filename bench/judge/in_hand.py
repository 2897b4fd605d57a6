"""Whether a time is that of the whole work: the reasons to refuse one that is not.

Work leaves a clock on five ways: before it starts, after it stops, between the input and the call, into what an earlier
call kept, and by a clock that goes slow. Each rule compares times that were taken in turn within one process, of those
rounds alone in which its threads had their cores, and of these the shortest: what else the machine does only ever adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from oneblock.bench.format.units import seconds as duration
from oneblock.bench.records.in_hand import ROUNDS, Around, InHand
from oneblock.bench.records.record import Launch

COPIES = 4.0  # as long as so many copies on the host a transfer may take: alignment, another layout, a slower bus
_TRANSFERS_S = 5e-4  # both ways together and whatever their size
_BEYOND_A_BUS_S = 1e-2  # the same to a device and back
_LONGER = 1.25  # from the input in hand to the answer in hand, against the calls that are told
_GET_S, _GET_CALLS = 1e-4, 2.0  # `get` of a short call: so long, and so many calls more
_SAVED, _SAVED_S = 0.4, 1e-4  # of a call's time, by bytes that came before
_AGAIN, _AGAIN_S = 0.1, 2e-4  # of a call's time, all that is left for the same arguments: beyond what caches do


@dataclass(frozen=True)
class _Round:
    """A call of an unseen input with what lay around it."""

    call_s: float
    around: Around

    @property
    def put_s(self) -> float:
        return max(0.0, self.around.put_s - COPIES * self.around.put_copy_s)

    @property
    def get_s(self) -> float:
        return max(0.0, self.around.get_s - COPIES * self.around.get_copy_s)

    @property
    def whole_s(self) -> float:
        """From the input in hand to the answer in hand, without what copies take."""
        return self.put_s + self.call_s + self.get_s


def refused(launches: tuple[Launch, ...], platform: str) -> str | None:
    """The sentence for times that are not those of the whole work; None where nothing says so."""
    faults = (why for launch in launches if launch.in_hand for why in _faults(launch, launch.in_hand, platform))
    return next(faults, None)


def _faults(launch: Launch, around: InHand, platform: str) -> Iterator[str]:
    if around.window_s is not None:
        theirs, ours = (duration(each) for each in around.window_s)
        yield f"calls took {theirs} by the clock of the process that timed them, and {ours} by its parent's"
    told, transfers = median(launch.cold_s), _TRANSFERS_S if platform == "cpu" else _BEYOND_A_BUS_S
    fresh = [(_Round(call, one), seen, again) for call, one, seen, again in around.rounds(launch.fresh_s)]
    cold = [_Round(call, one) for call, one in zip(launch.cold_s, around.cold, strict=True) if one.had_cores(call)]
    for rounds in ([each for each, _, _ in fresh], cold):
        if len(rounds) >= ROUNDS:
            yield from _outside(rounds, told, transfers)
    if len(fresh) >= ROUNDS:
        yield from _late([one for one, _, _ in fresh], told)
        yield from _kept(fresh, launch.warm_s)


def _outside(rounds: list[_Round], told: float, transfers: float) -> Iterator[str]:
    """All that passes between the input in hand and the answer in hand is the call, or a copy."""
    if min(one.whole_s for one in rounds) <= _LONGER * told + transfers:
        return
    put, call, get = (median(getattr(one, name) for one in rounds) for name in ("put_s", "call_s", "get_s"))
    if put > max(call - told, get):
        took = duration(median(one.around.put_s for one in rounds))
        yield f"`put` takes {took}, and a call {duration(told)}: it works before the clock starts"
    elif get > call - told:
        yield _by_get(rounds, told)
    else:
        yield (
            f"a call takes {duration(call)} right after its input was put, and {duration(told)} a while later: "
            "something works on inputs before they are called for"
        )


def _late(rounds: list[_Round], told: float) -> Iterator[str]:
    """Of a call that is too short for the rule above: what `get` takes is not much more."""
    if min(one.get_s for one in rounds) > _GET_S + _GET_CALLS * told:
        yield _by_get(rounds, told)


def _by_get(rounds: list[_Round], told: float) -> str:
    waits = median(one.around.get_own_s / one.around.get_s for one in rounds if one.around.get_s) < 0.5
    how = "it waits for work that `wait` did not wait for" if waits else "it does the work of a call"
    return f"`get` takes {duration(median(one.around.get_s for one in rounds))}, and a call {duration(told)}: {how}"


def _kept(fresh: list[tuple[_Round, float, float]], warm_s: tuple[float, ...]) -> Iterator[str]:
    """Whether what was computed before is computed again."""
    new, seen, again = (
        median(times) for times in zip(*((one.call_s, by, once) for one, by, once in fresh), strict=True)
    )
    saves = all(by < (1 - _SAVED) * one.call_s for one, by, _ in fresh)
    if saves and new - seen > _SAVED * new + _SAVED_S:
        yield (
            f"a call takes {duration(new)} for an input never seen before, and {duration(seen)} for the same bytes "
            "again: results are kept"
        )
    shortest = min(one.call_s for one, _, _ in fresh)
    for time, how in ((again, "once more"), (median(warm_s), "again and again")):
        if time < _AGAIN * shortest and shortest > _AGAIN_S:
            yield (
                f"a call takes {duration(shortest)} for arguments never seen before, and {duration(time)} for the same "
                f"ones {how}: results are kept"
            )
