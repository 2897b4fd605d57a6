"""What is known of this machine, in the user's cache folder: its limits, its pace, and how processes on it differ.

It belongs to the machine and not to an environment: a limit is the best that anything ever reached here.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import digest
from oneblock.bench.format.out import note
from oneblock.bench.records.disturbance import Pace, Spread, ignored
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Environment, Launch, Limits, Status
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.folders import cache_folder
from oneblock.compilers.api.kind import STRICT

# A rate that a file may state: no machine of one's own does an exaflop a second, and none does less than a calculator.
_Rate = Annotated[float, Field(strict=True, gt=1e3, lt=1e18, allow_inf_nan=False)]
_Key = Annotated[str, Field(pattern=r"^[^|]+\|[^|]*\|[^|]+$")]
_LARGEST_BYTES = 2**20
_METHOD = 6  # of `worker/ceilings.py` and `worker/canary.py`: what was found by another is measured again
_FASTER = 1.25  # by so much better a pace than before: what was learnt meanwhile was learnt on a slow machine
_AGAIN_S = 60.0  # that limits are measured again for, of a backend in one run
_MOST_DEGREES = 200  # so that a machine may change


@dataclass
class CachedCeilings:
    """The contents of the cache file."""

    __pydantic_config__: ClassVar[Any] = STRICT
    rates: dict[_Key, _Rate | None] = field(default_factory=dict)
    learnt_at_s: Annotated[float, Field(gt=0, lt=1e3)] | None = None  # the canary's product when those were learnt
    pace: Pace | None = None  # the best that the canary was seen to keep
    spreads: dict[str, Spread] = field(default_factory=dict)  # between processes, by backend and length of a call


def cache_file(environment: Environment) -> Path:
    """Where it is kept of a machine."""
    kind = "unwatched" if ignored() else "machine"  # what was learnt while nobody looked is no best of the machine
    return cache_folder() / f"{kind}-{digest([_METHOD, environment.machine])}.json"


def known_of(environment: Environment) -> CachedCeilings:
    """What was measured of a machine so far."""
    return _kept(cache_file(environment))


class CeilingCache:
    """What is known of this machine: rates by (target, backend, dtype) and by (target, "", "read"), pace, spreads."""

    def __init__(self, environment: Environment, bounds: Bounds) -> None:
        self.path, self.bounds = cache_file(environment), bounds
        self.known = known_of(environment)
        self.seen: Pace | None = None  # the canary's, last
        self._before: dict[str, float | None] = {}  # rates that this run measures again, where it needs them
        self._again_s: dict[tuple[Target, str, str], float] = defaultdict(float)  # spent on measuring again

    @property
    def rates(self) -> dict[str, float | None]:
        """The limits by their keys."""
        return self.known.rates

    def measure_missing(self, needed: Iterable[tuple[Target, str, str]], listen: Listener | None = None) -> None:
        """Measure what each (target, backend, dtype) needs and the cache does not have: one process a backend."""
        needed = list(dict.fromkeys(needed))
        known = self.known
        if known.learnt_at_s and known.pace and known.pace.product_s * _FASTER < known.learnt_at_s:
            # It was learnt on a machine that had other things to do; what is found now may still be less.
            self._before, known.rates, known.learnt_at_s = known.rates, {}, None
        lacking: dict[tuple[Target, str], list[str]] = {}
        for target, backend, dtype in needed:
            if _key(target, backend, dtype) not in self.rates:
                lacking.setdefault((target, backend), []).append(dtype)
        for (target, backend), dtypes in lacking.items():
            self.measure(LimitsJob(backend, target, tuple(dtypes), self.bounds.threads), listen)
        if needed and _key(Target("cpu"), "", "read") not in self.rates:
            self.measure(LimitsJob(None, Target("cpu"), ("read",), self.bounds.threads), listen)

    def remeasure(self, target: Target, backend: str, dtype: str, by: str, listen: Listener | None = None) -> bool:
        """A result beats this limit ("memory" or "compute"): measure it again, and say whether that was done.

        That is for up to a minute a run, of memory for all backends in all: CPUs that a hypervisor has now on one die
        and now on two read memory faster in some seconds than in others. Of compute it is the backend's own limit, and
        that of whoever reached most: it is that one's that may have been learnt badly.
        """
        spent, start = (target, "" if by == "memory" else backend, by), monotonic()
        if self._again_s[spent] >= _AGAIN_S or (by == "memory" and target != "cpu"):
            return False
        if by == "memory":
            self.measure(LimitsJob(None, target, ("read",), self.bounds.threads), listen)
        else:
            for one in dict.fromkeys((backend, self.limits(target, dtype, backend).flops_by)):
                if one is not None:
                    self.measure(LimitsJob(one, target, (dtype,), self.bounds.threads), listen)
        self._again_s[spent] += monotonic() - start
        return True

    def measure(self, job: LimitsJob, listen: Listener | None = None) -> dict[str, float]:
        """Measure in a process of its own, keep what beats what was known, and say what was found now.

        What others disturbed is not known.
        """
        outcome = launch(job, self.bounds, listen=listen)
        if outcome.status is not Status.PASSED or outcome.result is None:
            return {}  # the backend's own cells will say what is wrong with it
        self._see(outcome.result.pace)
        if outcome.result.pace is not None:
            self.known.learnt_at_s = max(outcome.result.pace.product_s, self.known.learnt_at_s or 0.0)
        for dtype in job.dtypes:
            key, reached = _key(job.target, job.backend or "", dtype), outcome.result.rates.get(dtype)
            if reached is None and outcome.result.disturbed:
                continue
            seen = (reached, self.rates.get(key), self._before.get(key))
            self.rates[key] = max(rate or 0.0 for rate in seen) or None  # a limit is the best ever seen
        self._keep()
        return outcome.result.rates

    def saw(self, backend: str, launches: Sequence[Launch]) -> None:
        """Of a cell's launches the canary's pace, and by how much their medians differ."""
        for one in launches:
            self._see(None if one.disturbance is None else one.disturbance.pace)
        self._learn_spread(backend, [statistics.median(one.cold_s) for one in launches])
        self._keep()

    def _see(self, pace: Pace | None) -> None:
        best = self.known.pace
        if pace is None:
            return
        self.seen = pace
        reads = [one.read_s for one in (best, pace) if one is not None and one.read_s is not None]
        products = [one.product_s for one in (best, pace) if one is not None]
        self.known.pace = Pace(min(products), min(reads, default=None))

    def learn_spread(self, backend: str, medians_s: Sequence[float]) -> None:
        """Of processes that timed the same; with those of before, each weighing by its degrees of freedom."""
        self._learn_spread(backend, medians_s)
        self._keep()

    def _learn_spread(self, backend: str, medians_s: Sequence[float]) -> None:
        logs = [math.log(median) for median in medians_s]
        if len(logs) < 2:
            return
        alike = _alike(backend, math.exp(statistics.mean(logs)))
        new, before = Spread(max(statistics.stdev(logs), 1e-6), len(logs) - 1), self.known.spreads.get(alike)
        if before is not None:
            degrees = before.degrees + new.degrees
            squares = before.degrees * before.share**2 + new.degrees * new.share**2
            new = Spread(math.sqrt(squares / degrees), min(degrees, _MOST_DEGREES))
        self.known.spreads[alike] = new

    def spread(self, backend: str, call_s: float | None = None) -> Spread | None:
        """Between processes of a backend, in calls of about that length; None where of nobody any is known.

        Where that is not known it is the widest of the backend's, or of anyone's.
        """
        found = self.known.spreads
        if call_s is not None and (alike := _alike(backend, call_s)) in found:
            return found[alike]
        own = [spread for key, spread in found.items() if key.startswith(_alike(backend))]
        return max(own or found.values(), key=lambda one: one.share, default=None)

    def limits(self, target: Target, dtype: str, backend: str, call_s: float | None = None) -> Limits:
        """What the machine reached at best for a target and a dtype, whoever did; and how processes of one differ."""
        start, end = f"{target}|", f"|{dtype}"
        reached = {
            key.split("|")[1]: rate
            for key, rate in self.rates.items()
            if rate is not None and key.startswith(start) and key.endswith(end)
        }
        best = max(reached, key=lambda by: reached[by], default=None)
        read = self.rates.get(_key(target, "", "read"))
        rate = reached[best] if best is not None else None
        return Limits(rate, best, read, spread=self.spread(backend, call_s) if target == "cpu" else None)

    def _keep(self) -> None:
        with contextlib.suppress(OSError):  # a cache that cannot be kept is measured again
            write_whole(self.path, adapter(CachedCeilings).dump_json(self.known, indent=1))


def _kept(path: Path) -> CachedCeilings:
    """What a file holds; nothing where it is absent, or is not what is written here: that is said, and not believed."""
    try:
        known: CachedCeilings = adapter(CachedCeilings).validate_json(read_plain(path, _LARGEST_BYTES))
        return known
    except (FileNotFoundError, NotADirectoryError):
        return CachedCeilings()
    except (OSError, ValidationError) as error:
        told = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        note(
            f"oneblock: {path}: expected the machine's limits, which are kept there, got others: {told}; they are "
            "measured anew and the file is written over; delete it if that cannot be"
        )
        return CachedCeilings()


def _key(target: Target, backend: str, what: str) -> str:
    return f"{target}|{backend}|{what}"


def _alike(backend: str, call_s: float | None = None) -> str:
    """What calls of one backend and about one length, a power of ten, are known by: short ones differ by more.

    Of one kind of machine 3 to 5 % at 5 ms and 10 to 30 at 0.2 were seen; without a length it is how they all begin.
    """
    return f"{backend}|" if call_s is None else f"{backend}|1e{math.floor(math.log10(call_s))}"


def as_rows(rates: dict[str, float | None]) -> list[dict[str, Any]]:
    """The cache as rows of target, backend, what and rate."""
    parts = ((*key.split("|"), rate) for key, rate in sorted(rates.items()))
    return [{"target": t, "backend": b or None, "of": what, "rate": rate} for t, b, what, rate in parts]
