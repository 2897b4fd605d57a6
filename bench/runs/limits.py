"""The machine's own limits: measured once an environment, and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_cache_path
from pydantic import Field, TypeAdapter, ValidationError

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import digest
from oneblock.bench.format.out import note
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.record import Environment, Limits, Status
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers.api.files import read_plain

# A rate that a file may state: no machine of one's own does an exaflop a second, and none does less than a calculator.
_Rate = Annotated[float, Field(strict=True, gt=1e3, lt=1e18, allow_inf_nan=False)]
_BOOK = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[^|]+\|[^|]*\|[^|]+$")], _Rate | None])
_LARGEST_BYTES = 2**20
_METHOD = 3  # of `worker/ceilings.py`: limits found by another are measured again


def cache_file(environment: Environment) -> Path:
    """Where the limits of an environment are kept."""
    return user_cache_path("oneblock") / f"limits-{digest([_METHOD, environment.machine, environment.software])}.json"


class LimitsBook:
    """What is known of this environment's limits, by (target, backend, dtype) and by (target, "", "read")."""

    def __init__(self, environment: Environment, bounds: Bounds) -> None:
        self.path, self.bounds = cache_file(environment), bounds
        self.rates = _kept(self.path)
        self._again: set[tuple[Target, str]] = set()

    def learn(self, needed: Iterable[tuple[Target, str, str]], listen: Listener | None = None) -> None:
        """Measure what each (target, backend, dtype) needs and the book does not have: one process a backend."""
        needed = list(dict.fromkeys(needed))
        lacking: dict[tuple[Target, str], list[str]] = {}
        for target, backend, dtype in needed:
            if _key(target, backend, dtype) not in self.rates:
                lacking.setdefault((target, backend), []).append(dtype)
        for (target, backend), dtypes in lacking.items():
            self.measure(LimitsJob(backend, target, tuple(dtypes), self.bounds.threads), listen)
        if needed and _key(Target("cpu"), "", "read") not in self.rates:
            self.measure(LimitsJob(None, Target("cpu"), ("read",), self.bounds.threads), listen)

    def doubt(self, target: Target, backend: str, dtype: str) -> bool:
        """A result beats these limits: measure them again, once a run, and say whether that was done."""
        if (target, backend) in self._again:
            return False
        self._again.add((target, backend))
        self.measure(LimitsJob(backend, target, (dtype,), self.bounds.threads))
        if target == "cpu":
            self.measure(LimitsJob(None, Target("cpu"), ("read",), self.bounds.threads))
        return True

    def measure(self, job: LimitsJob, listen: Listener | None = None) -> None:
        """Measure in a process of its own, and keep what beats what was known."""
        outcome = launch(job, self.bounds, listen=listen)
        if outcome.status is not Status.PASSED or outcome.result is None:
            return  # the backend's own cells will say what is wrong with it
        for dtype in job.dtypes:
            key, reached = _key(job.target, job.backend or "", dtype), outcome.result.get(dtype)
            self.rates[key] = max(reached or 0.0, self.rates.get(key) or 0.0) or None  # a limit is the best ever seen
        with contextlib.suppress(OSError):  # a cache that cannot be kept is measured again
            write_whole(self.path, json.dumps(self.rates, indent=1, sort_keys=True).encode())

    def limits(self, target: Target, dtype: str) -> Limits:
        """What the machine reached at best for a target and a dtype, whichever backend reached it."""
        start, end = f"{target}|", f"|{dtype}"
        reached = {
            key.split("|")[1]: rate
            for key, rate in self.rates.items()
            if rate is not None and key.startswith(start) and key.endswith(end)
        }
        best = max(reached, key=lambda backend: reached[backend], default=None)
        read = self.rates.get(_key(target, "", "read"))
        return Limits(reached[best] if best is not None else None, best, read)


def _kept(path: Path) -> dict[str, float | None]:
    """The limits in a file; none where it is absent, or is not what is written here: that is said, and not believed."""
    try:
        return dict(_BOOK.validate_json(read_plain(path, _LARGEST_BYTES)))
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        told = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        note(
            f"oneblock: {path}: expected the machine's limits, which are kept there, got others: {told}; they are "
            "measured anew and the file is written over; delete it if that cannot be"
        )
        return {}


def _key(target: Target, backend: str, what: str) -> str:
    return f"{target}|{backend}|{what}"


def as_rows(rates: dict[str, float | None]) -> list[dict[str, Any]]:
    """The book as rows of target, backend, what and rate."""
    parts = ((*key.split("|"), rate) for key, rate in sorted(rates.items()))
    return [{"target": t, "backend": b or None, "of": what, "rate": rate} for t, b, what, rate in parts]
