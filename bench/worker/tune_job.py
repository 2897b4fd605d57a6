"""The job that searches for what makes a cell's program fast, saying of each task how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock import backends, workloads
from oneblock.backends.api.backend import Tunable, TuningResult, Unavailable, Unsupported
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase, Task
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, SearchStopped, TaskState
from oneblock.workloads.answers.arrays import abstract_arrays


@dataclass(frozen=True)
class TuneJob(Job[TuningResult]):
    """Search for what makes a cell's program fast."""

    cell: Cell
    asked: Search

    def do(self) -> Outcome[TuningResult]:
        """What was found; kept in a folder of the user's as it is found."""
        cell = self.cell
        emit(Phase("importing"))
        backend, target = backends.load(cell.backend), cell.target
        if not isinstance(backend, Tunable):
            raise Unsupported(f"{cell.backend} has nothing that a search could choose")
        admit(backend, target, dtype=cell.dtype)
        workload = workloads.load(cell.case.workload)
        kind = Kind.MEASURED if backend.probe(target).kind is Kind.MEASURED else Kind.MODELLED
        emit(Phase("searching", kind))
        arrays = abstract_arrays(workload, cell.case, cell.dtype)
        try:
            found = backend.tune(workload, cell.case, arrays, target, self.asked, _tell)
        except SearchStopped as error:
            raise Unavailable(str(error), "`oneblock tune --help` says where it is kept") from error
        return Outcome(Status.PASSED, found.kind, result=found)


def _tell(state: TaskState) -> None:
    best = state.best
    failed = sum(trial.seconds is None for trial in state.trials)
    seconds = None if best is None else best.seconds
    emit(Task(state.name, state.calls, state.flops, len(state.trials), failed, seconds, state.default is not None))
