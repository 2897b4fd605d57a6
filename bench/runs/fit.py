"""The largest batch or context that a compiler still finds room for, by bisection over compilations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import Status
from oneblock.bench.runs.probes import not_run_here
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.measure_job import MeasureJob, Measurement
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers import Detail
from oneblock.compilers.api.facts import Memory
from oneblock.workloads._workload import Phase

_STEP = {"batch": 1, "context": 128}  # a context is tried in whole tiles of a TPU's matrix unit
_MOST = {"batch": 2**20, "context": 2**24}  # beyond any model's and any memory's

Tell = Callable[[Cell, str], None]
Fits = Callable[[Cell], bool | None]  # None: something else is the matter with it


@dataclass(frozen=True)
class Fit:
    """Where memory ends. Between the two a compiler may fit one size and not a smaller one; they are neighbours."""

    fits: Cell | None  # None: not even the smallest does
    fails: Cell | None  # None: the largest that is tried still fits

    @property
    def cells(self) -> list[Cell]:
        """Both, as far as there are any."""
        return [cell for cell in (self.fits, self.fails) if cell is not None]


def sized(cell: Cell, axis: str, n: int) -> Cell:
    """The same cell with n sequences, or a context of n positions."""
    case = cell.case
    if axis == "batch":
        return replace(cell, case=replace(case, B=n))
    return replace(cell, case=replace(case, T=n if case.phase is Phase.PREFILL else 1, S=n))


def fit(cell: Cell, axis: str, bounds: Bounds, tell: Tell, fits: Fits | None = None) -> Fit:
    """Double until it does not fit, then bisect; what fails for another reason is left to the run, which says why.

    Whether a size `fits` its cell's own compiler says, unless something else is asked.
    """
    ask = fits or (lambda one: _fits(one, bounds, tell))
    pair = (cell.backend, cell.target)
    if pair not in not_run_here([pair], bounds):
        raise Refused(
            f"--fit asks a compiler for a device that is elsewhere, and {cell.backend} runs {cell.target} here: name "
            "what to compile for, e.g. --backend xla_tpu --target tpu:v5e"
        )
    step, most = _STEP[axis], _MOST[axis]
    good, bad, n = 0, 0, step
    while (not bad and n <= most) or bad - good > step:
        if bad:
            n = (good + bad) // (2 * step) * step
        answer = ask(sized(cell, axis, n))
        if answer is None:
            return Fit(None, sized(cell, axis, n))
        good, bad = (n, bad) if answer else (good, n)
        n *= 2
    return Fit(sized(cell, axis, good) if good else None, sized(cell, axis, bad) if bad else None)


def _fits(cell: Cell, bounds: Bounds, tell: Tell) -> bool | None:
    """Whether it fits the target; None where that is not what the compiler had to say."""
    tell(cell, "does it fit?")
    outcome = compiled(cell, bounds)
    if lacking(outcome) is not None:
        return False
    return True if outcome.status is Status.COMPILED else None


def compiled(cell: Cell, bounds: Bounds, records: Path | None = None) -> Outcome[Measurement]:
    """How compiling a cell ended; with a folder for its stages also what its compiler did."""
    kept = None if records is None else str(records)
    job = MeasureJob(
        cell, "smoke", answers=None, index=0, cold_compile=True, flush_bytes=0, records=kept, detail=Detail.BRIEF
    )
    return launch(job, bounds)


def lacking(outcome: Outcome[Measurement]) -> Memory | None:
    """What of the target's memory a program lacked; None where it lacked none, or this machine's."""
    memory = outcome.result.memory if outcome.result is not None else None
    return memory if outcome.status is Status.OUT_OF_MEMORY else None
