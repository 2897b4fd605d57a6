"""Why an answer is not finite: whether eager NumPy overflows, too, in which step, and what dtype would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.definitions import OPS, Array
from oneblock.workloads.ops.dtypes import DTYPES, dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps

_ADDED = "an addition after"  # what a program does to arrays beside operations is to add them


@dataclass(frozen=True)
class Overflow:
    """The first value that left the range of a dtype."""

    dtype: str
    step: str  # "" of a program that names none
    operation: str
    reaches: float  # the largest magnitude there, in float64
    ends_at: float  # the largest finite value of the dtype
    would_do: str | None  # a dtype whose range holds all that the program computes

    @property
    def reason(self) -> str:
        """What happened, as a sentence."""
        where = f"{self.operation} in {self.step}" if self.step else self.operation
        return (
            f"{where} reaches {self.reaches:.4g}, and the largest finite {self.dtype} is {self.ends_at:.5g}: "
            f"eager NumPy in {self.dtype} overflows, too"
        )

    @property
    def hint(self) -> str:
        """What to do about it."""
        return "scale the weights or the inputs" if self.would_do is None else f"choose --dtype {self.would_do}"


@dataclass(frozen=True)
class _Seen:
    step: str
    operation: str
    largest: float  # of what is finite
    finite: bool


class _Watched(NumpyOps):
    """The plain operations, noting how large what each gives is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[_Seen] = []
        self._steps = [""]
        for name in OPS:
            setattr(self, name, self._watched(name, getattr(self, name)))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._steps.append(name)
        yield
        self._steps.pop()

    def _watched(self, name: str, operation: Callable[..., Array]) -> Callable[..., Array]:
        def run(*args: Any, **kwargs: Any) -> Array:
            before = self.seen[-1] if self.seen else None
            given = [x for x in args if isinstance(x, np.ndarray)]
            if before is not None and before.finite and not all(_finite(x) for x in given):
                self.note(before.step, f"{_ADDED} {before.operation}", *given)
            out = operation(*args, **kwargs)
            self.note(self._steps[-1] or name, name, out)
            return out

        return run

    def note(self, step: str, operation: str, *arrays: Array) -> None:
        """Remember how large arrays are."""
        wide = [np.abs(x.astype(np.float64)) for x in arrays]
        largest = max((float(x[np.isfinite(x)].max(initial=0.0)) for x in wide), default=0.0)
        self.seen.append(_Seen(step, operation, largest, all(_finite(x) for x in wide)))


def overflow(workload: Workload, case: Case, arrays: Arrays, dtype: str) -> Overflow | None:
    """Where eager NumPy leaves the range of the dtype on these arrays; None where it does not, or float64 does too.

    `arrays` are all of the workload, in the dtype, as x (B, T, C).
    """
    eager, exact = _Watched(), _Watched()
    with np.errstate(over="ignore", invalid="ignore"):
        answer = workload.program(eager, case, arrays)
        right = workload.program(exact, case, {name: x.astype(np.float64) for name, x in arrays.items()})
    if all(map(_finite, answer.values())) or not all(map(_finite, right.values())):
        return None
    for watched, outputs in ((eager, answer), (exact, right)):
        last = watched.seen[-1]
        watched.note(last.step, f"{_ADDED} {last.operation}", *outputs.values())
    first = next(one for one in eager.seen if not one.finite)
    there = [one.largest for one in exact.seen if (one.step, one.operation) == (first.step, first.operation)]
    reaches, most = max(there, default=first.largest), max(one.largest for one in exact.seen)
    ends = {name: float(ml_dtypes.finfo(dtype_of(name)).max) for name in DTYPES}
    would_do = next((name for name in ("bfloat16", "float32") if ends[name] > 2 * most and name != dtype), None)
    return Overflow(dtype, first.step, first.operation, reaches, ends[dtype], would_do)


def _finite(x: np.ndarray) -> bool:
    return bool(np.isfinite(x).all())
