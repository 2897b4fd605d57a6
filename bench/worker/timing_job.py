"""The job that times several ops sets in turn, so that what else the machine does falls on all alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from oneblock import backends, workloads
from oneblock.backends.api.backend import Executable, Unsupported
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.sampling import quiet, time_calls
from oneblock.bench.worker.subject import Subject
from oneblock.workloads.answers.reference import Golden

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Samples = dict[str, Annotated[tuple[Seconds, ...], Field(min_length=1)]]  # raw seconds by ops set


@dataclass(frozen=True)
class InterleavedTimingJob(Job[Samples]):
    """Time several ops sets of a cell in turn, in one process, each checked first."""

    cell: Cell
    ops_sets: tuple[str, ...]
    golden: str
    rounds: int
    flush_bytes: int

    def do(self) -> Outcome[Samples]:
        """The seconds of each ops set; failed where one of them is wrong."""
        cell = self.cell
        emit(Phase("importing"))
        backend, target = backends.load(cell.backend), cell.target
        workload = workloads.load(cell.case.workload)
        weights = cell.weight_arrays(workload)
        arrays = {**weights, **cell.input_arrays(workload)}
        golden = Golden.read(Path(self.golden))
        made: dict[str, tuple[Executable, Mapping[str, Any]]] = {}
        for ops_set in self.ops_sets:
            admit(backend, target, ops_set, cell.dtype)
            emit(Phase(f"compiling {ops_set}"))
            executable = backend.compile(workload, cell.case, arrays, ops_set, target).executable
            if executable is None:
                raise Unsupported(f"{cell.backend} does not run {ops_set} on {cell.target} here")
            subject = Subject(executable, golden, weights, partial(cell.input_arrays, workload))
            verdict = subject.check(0)
            if not verdict.passed:
                return Outcome(Status.FAILED, reason=f"{ops_set}: {verdict.why}")
            made[ops_set] = executable, subject.args(0)
        emit(Phase("timing"))
        return Outcome(Status.PASSED, result=self._in_turn(made))

    def fault(self, outcome: Outcome[Samples]) -> str | None:
        """Others than the ops sets that were to be timed."""
        if outcome.result is not None and outcome.result.keys() != set(self.ops_sets):
            return f"times of {', '.join(outcome.result)}: expected {', '.join(self.ops_sets)}"
        return None

    def _in_turn(self, made: Mapping[str, tuple[Executable, Mapping[str, Any]]]) -> Samples:
        seconds: dict[str, list[float]] = {ops_set: [] for ops_set in made}
        with quiet():
            for _ in range(self.rounds):
                for ops_set, (executable, args) in made.items():
                    executable.flush(self.flush_bytes)
                    seconds[ops_set].append(time_calls(executable, args)[0])
        return {ops_set: tuple(raw) for ops_set, raw in seconds.items()}
