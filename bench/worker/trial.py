"""Calls of inputs never seen before, timed from the input in hand to the answer in hand.

    put | flush | call, wait | get, copy

The middle is what a call takes. What lies before and after is timed too, so that no work hides there, and each answer
is copied while its clock runs: it is there, or it is waited for. The parent thinks of the inputs, and says which
answers are kept to be judged by another process (`examiner.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Executable
from oneblock.bench.records.in_hand import Around, InHand
from oneblock.bench.worker import channel
from oneblock.bench.worker.contention import waited_s
from oneblock.bench.worker.events import Held, NextInput, Question, Window
from oneblock.bench.worker.sampling import time_calls
from oneblock.bench.worker.surroundings import Sample, as_it_comes
from oneblock.bench.worker.unseen import Unseen
from oneblock.workloads.answers.arrays import Named

FIRST, LAST = "first", "last"  # the answers to input 0, before and after all that is timed
_WINDOW_S = 0.02  # of calls at least, against which a message's way is short
_MOST_IN_WINDOW = 100
_FRESH = 10  # inputs of which a call is timed new, seen and again
Ask = Callable[[Question], dict[str, Any]]
Taken = Callable[[Callable[[], float]], Sample]  # of what is timed a sample, with whether it counts


class NotInHand(Exception):
    """What `get` gave is no array of numbers that are there."""


class Trial:
    """One executable on trial, with its weights on the device."""

    def __init__(
        self, executable: Executable, weights: Named, inputs: Callable[[Unseen], Named], ask: Ask = channel.ask
    ) -> None:
        self.executable, self.inputs, self.ask = executable, inputs, ask
        self.weights = executable.put(weights)
        self.answers: dict[str, Named] = {}  # by the name under which they are judged
        self.cold_around: list[Around] = []
        self.fresh_around: list[Around] = []
        self.fresh_s: list[float] = []
        self.seen_s: list[float] = []
        self.again_s: list[float] = []
        self.after_waited_s: list[float | None] = []

    def args(self, arrays: Named) -> dict[str, Any]:
        """The arguments with these inputs, copied to the device now."""
        return {**self.weights, **self.executable.put(arrays)}

    def keep(self, name: str, out: Any) -> None:
        """Keep an answer to be judged."""
        self.answers[name] = in_hand(self.executable.get(out))

    def cold(self, flush_bytes: int, taken: Taken) -> Sample:
        """A call whose caches were flushed; before every second one, calls of a fresh input."""
        if len(self.cold_around) % 2 == 0 and len(self.fresh_s) < _FRESH:
            self._fresh()
        flush = lambda: self.executable.flush(flush_bytes)  # noqa: E731
        return self._call(self.cold_around, self._next(twin=False), taken, flush)

    def until_enough(self, within_s: float) -> None:
        """More calls of fresh inputs where something else had the cores while there were such."""
        start = perf_counter_ns()
        while not self.told().enough(self.fresh_s) and _since(start) < within_s:
            self._fresh()

    def _fresh(self) -> None:
        """A call right after its input was put; the same input once more, as if it were new; and its arguments again.

        One after the other, so that whatever else the machine does falls on all three alike.
        """
        unseen = self._next(twin=True)
        self.fresh_s.append(self._call(self.fresh_around, unseen, as_it_comes).seconds)
        arrays, before = self.inputs(unseen), waited_s()
        args = self.args(arrays)
        self.seen_s.append(time_calls(self.executable, args)[0])
        self.again_s.append(time_calls(self.executable, args)[0])
        self.after_waited_s.append(_waited([before, waited_s()]))

    def _next(self, *, twin: bool) -> Unseen:
        return Unseen(**self.ask(NextInput(twin)))

    def _call(
        self, around: list[Around], unseen: Unseen, taken: Taken, between: Callable[[], None] | None = None
    ) -> Sample:
        arrays = self.inputs(unseen)
        put_copy_s, waits = _copy_s(arrays), [waited_s()]
        start = perf_counter_ns()
        args = self.args(arrays)
        put_s = _since(start)
        if between is not None:  # and nothing comes between a fresh input and its call
            waits.append(waited_s())
            between()
            waits.append(waited_s())
        out: Any = None

        def timed() -> float:
            nonlocal out
            seconds, out = time_calls(self.executable, args)
            return seconds

        sample = taken(timed)
        start, own = perf_counter_ns(), thread_time_ns()
        answer = in_hand(self.executable.get(out))
        get_s, own_s = _since(start), (thread_time_ns() - own) * 1e-9
        waits.append(waited_s())
        around.append(Around(put_s, put_copy_s, get_s, own_s, _copy_s(answer), _waited(waits)))
        place = self.ask(Held(sum(y.nbytes for y in answer.values())))["place"]
        if place is not None:
            self.answers[str(place)] = answer
        return sample

    def window(self, args: MutableMapping[str, Any], calls: int) -> None:
        """Time calls in a row while the parent looks at its own clock.

        Where that was longer, again and for twice as long: on a busy machine each of the two waits for a core before it
        hears the other, which takes as long whatever the window.
        """
        again, least_s = True, _WINDOW_S
        while again:
            claimed, samples = 0.0, 0
            self.ask(Window(None))
            while samples < 2 or (claimed < least_s and samples < _MOST_IN_WINDOW * least_s / _WINDOW_S):
                claimed += time_calls(self.executable, args, calls)[0] * calls
                samples += 1
            again = self.ask(Window(claimed))["again"]
            least_s *= 2

    def told(self, cold: Sequence[int] = ()) -> InHand:
        """What lay around the calls; of the cold ones, around those that count."""
        after = tuple(self.seen_s), tuple(self.again_s), tuple(self.after_waited_s)
        return InHand(tuple(self.cold_around[i] for i in cold), tuple(self.fresh_around), *after)

    def save(self, path: Path) -> None:
        """Write the answers that are kept, as their bytes: NumPy's own file has no bfloat16."""
        named = {f"{of}/{name}": y for of, answer in self.answers.items() for name, y in answer.items()}
        head = json.dumps({key: (y.dtype.name, y.shape) for key, y in named.items()})
        raw = {key: y.reshape(-1).view(np.uint8) for key, y in named.items()}
        path.unlink(missing_ok=True)  # a link perhaps, which the backend laid: nothing is written through it
        with path.open("xb") as file:
            np.savez(file, allow_pickle=False, head=np.array(head), **raw)


def read_answers(path: Path) -> dict[str, Named]:
    """What `save` wrote; ValueError where it is none of that."""
    answers: dict[str, Named] = {}
    with np.load(path, allow_pickle=False) as file:
        for key, (dtype, shape) in json.loads(str(file["head"])).items():
            of, _, name = key.partition("/")
            answers.setdefault(of, {})[name] = file[key].view(np.dtype(dtype)).reshape(shape)
    return answers


def in_hand(got: Mapping[str, Any]) -> Named:
    """Copies of what `get` gave; NotInHand where that is not numbers, but something that will compute them."""
    for name, y in got.items():
        if type(y) is not np.ndarray or y.dtype.hasobject:
            raise NotInHand(f"`get` gave {name} as a {type(y).__name__}: expected a numpy.ndarray of numbers")
    return {name: y.copy() for name, y in got.items()}


def _copy_s(arrays: Named) -> float:
    start = perf_counter_ns()
    for array in arrays.values():
        array.copy()
    return _since(start)


def _waited(looks: list[float | None]) -> float | None:
    """What was waited from each odd look to the one after it."""
    known = [look for look in looks if look is not None]
    return max(0.0, sum(known[1::2]) - sum(known[::2])) if len(known) == len(looks) else None


def _since(start_ns: int) -> float:
    return (perf_counter_ns() - start_ns) * 1e-9
