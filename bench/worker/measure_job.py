"""The job that measures a cell: compiled, checked, timed, and checked within and after; and what its compiler did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

from oneblock import backends, workloads
from oneblock.backends.api.backend import Availability, Backend, Compiled, Unsupported
from oneblock.backends.api.own_kernels import KERNELS, OwnKernels, TakesKernels
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import tier
from oneblock.bench.records.disturbance import Disturbance, Pace
from oneblock.bench.records.record import ArtifactRef, Launch, Status
from oneblock.bench.records.texts import Texts
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.own_ending import own_ending
from oneblock.bench.worker.sampling import time_calls
from oneblock.bench.worker.timing import Disturbed, TimingRequest, time_launch
from oneblock.bench.worker.trial import FIRST, LAST, NotInHand, Trial
from oneblock.compilers import Detail
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.api.facts import Facts, Memory
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Arrays, Workload
from oneblock.workloads.answers.arrays import abstract_arrays
from oneblock.workloads.answers.reference import check_weights
from oneblock.workloads.answers.verdict import Check

# Of which kind a status is evidence.
_KINDS = {
    Status.PASSED: Kind.MEASURED, Status.COMPILED: Kind.COMPILED, Status.INTERPRETED: Kind.INTERPRETED,
    Status.SIMULATED: Kind.SIMULATED,
}  # fmt: skip
_WHEN_QUIET = (
    "measure again when the machine is quiet, or with a thread fewer (--threads), for which a core is left: `oneblock "
    "doctor --machine` says who disturbs"
)
# If what it answered is right.
ANSWERED = (Status.PASSED, Status.DISTURBED, Status.INTERPRETED, Status.SIMULATED)


@dataclass(frozen=True)
class Measurement:
    """What came of compiling, checking and timing a cell once, as far as it came."""

    artifacts: tuple[ArtifactRef, ...] = ()
    facts: Facts | None = None
    check: Check | None = None
    launch: Launch | None = None
    compile_s: float | None = None  # of what is only compiled
    memory: Memory | None = None  # of what does not fit its target
    disturbance: Disturbance | None = None  # of what could not be timed for others


@dataclass(frozen=True)
class MeasureJob(Job[Measurement]):
    """Compile, check and time a cell once."""

    cell: Cell
    tier: str
    answers: str | None  # the file to write those to that are to be judged; None for what is not run here
    index: int
    cold_compile: bool
    flush_bytes: int
    records: str | None  # the directory of records, where lowering stages are kept; None: they are not wanted
    detail: Detail = Detail.DEFAULT
    weights_sha256: str | None = None  # of a checkpoint's weights, that the reference is of
    best: Pace | None = None  # of the canary, that this machine was seen to keep

    def do(self) -> Outcome[Measurement]:
        """Passed with a launch, or how far it came; whether what it answered is right is for a JudgeJob to say."""
        try:
            return _measure(self)
        except NotInHand as error:
            return Outcome(Status.INVALID, reason=str(error), hint="mend the backend's `get`", result=Measurement())
        except OutOfMemory as error:
            hint = "choose a smaller size; `oneblock run --fit batch|context` finds the largest that fits"
            return Outcome(Status.OUT_OF_MEMORY, reason=str(error), hint=hint, result=Measurement(memory=error.memory))
        except Exception as error:
            ended = own_ending(error, self.cell.replaced)
            if ended is None:
                raise
            return ended

    def fault(self, outcome: Outcome[Measurement]) -> str | None:
        """A number without its launch or its kind, a verdict of its own; or another launch than was asked for."""
        measured, status = outcome.result or Measurement(), outcome.status
        launch = measured.launch
        if (launch is not None) != (status is Status.PASSED):
            return f"{status}, and {'no' if launch is None else 'a'} launch"
        if (measured.disturbance is not None) != (status is Status.DISTURBED):
            return f"{status}, and {'no' if measured.disturbance is None else 'an'} account of what disturbed"
        asked = (self.index, self.cold_compile, self.flush_bytes)
        if launch is not None and (launch.index, launch.cold_compile, launch.flushed_bytes) != asked:
            return f"another launch than number {self.index}"
        if measured.check is not None:
            return f"{status}, and judged by itself"
        if status in ANSWERED and (self.answers is None or not Path(self.answers).is_file()):
            return f"{status}, and no answers that could be judged"
        if (kind := _KINDS.get(status, outcome.kind)) is not outcome.kind:
            return f"{status}, and of the kind {outcome.kind}: expected {kind}"
        return None


def _measure(job: MeasureJob) -> Outcome[Measurement]:
    cell = job.cell
    emit(Phase("importing"))
    start = perf_counter()
    backend, target = backends.load(cell.backend), cell.target
    admit(backend, target, cell.ops_set, cell.dtype)
    device, import_s = backend.probe(target), perf_counter() - start
    workload = workloads.load(cell.case.workload)
    if device.kind is Kind.COMPILED:
        return _compile_only(job, backend, device, workload)
    emit(Phase("weights"))
    weights = cell.weight_arrays(workload)
    check_weights(weights, job.weights_sha256)
    emit(Phase("compiling"))
    start = perf_counter()
    arrays = {**weights, **cell.input_arrays(workload)}
    compiled, own = compile_cell(cell, backend, workload, arrays)
    compile_s = perf_counter() - start
    measured = _lowered(compiled, job)
    compilations = backend.compilations()

    def ended(status: Status, measured: Measurement, reason: str | None = None) -> Outcome[Measurement]:
        return Outcome(status, _KINDS.get(status, device.kind), device.name, reason, result=measured)

    if compiled.executable is None:
        return ended(Status.COMPILED, measured, "no device here to run it on")
    assert job.answers is not None, "what is run gives answers"
    draw = partial(cell.unseen_arrays, workload)
    trial = Trial(compiled.executable, weights, lambda unseen: unseen.arrays(workload, draw))
    args = trial.args(cell.input_arrays(workload))
    emit(Phase("checking"))
    trial.keep(FIRST, time_calls(trial.executable, args)[1])
    own.check_called()
    if device.kind in (Kind.INTERPRETED, Kind.SIMULATED):
        trial.save(Path(job.answers))
        return ended(Status(device.kind), measured)  # their names are the same
    asked = TimingRequest(cell, tier(job.tier), job.index, job.cold_compile, job.flush_bytes, job.best)
    try:
        launch = time_launch(asked, trial, args, import_s, compile_s)
    except Disturbed as error:
        disturbed = ended(Status.DISTURBED, replace(measured, disturbance=error.evidence), str(error))
        trial.keep(LAST, time_calls(trial.executable, args)[1])
        trial.save(Path(job.answers))
        return replace(disturbed, hint=_WHEN_QUIET)
    launch = replace(launch, compilations_by_calls=backend.compilations() - compilations)
    trial.save(Path(job.answers))
    return ended(Status.PASSED, replace(measured, launch=launch))


def _compile_only(job: MeasureJob, backend: Backend, device: Availability, workload: Workload) -> Outcome[Measurement]:
    """Compile for a device that is not here: of the arrays it needs the shapes alone."""
    cell = job.cell
    emit(Phase("compiling"))
    arrays = abstract_arrays(workload, cell.case, cell.dtype)
    start = perf_counter()
    compiled, own = compile_cell(cell, backend, workload, arrays)
    own.check_called()
    compile_s = perf_counter() - start
    emit(Phase("reading what the compiler did"))
    measured = replace(_lowered(compiled, job), compile_s=compile_s)
    return Outcome(Status.COMPILED, device.kind, device.name, "no device here to run it on", result=measured)


def compile_cell(cell: Cell, backend: Backend, workload: Workload, arrays: Arrays) -> tuple[Compiled, OwnKernels]:
    """(the program, the kernels of one's own in it, which it is made with)."""
    if not cell.replaced:
        return backend.compile(workload, cell.case, arrays, cell.ops_set, cell.target), OwnKernels()
    if not isinstance(backend, TakesKernels) or cell.ops_set != KERNELS:
        raise Unsupported(f"{cell.backend} has no {cell.ops_set} kernels that others may replace")
    own = OwnKernels(backend.signatures, cell.replaced)
    return backend.compile_with(own, workload, cell.case, arrays, cell.target), own


def _lowered(compiled: Compiled, job: MeasureJob) -> Measurement:
    """The stages, kept beside the records, and the facts read off them; nothing where they are not wanted."""
    if job.records is None:
        return Measurement()
    made, texts = compiled.capture(job.detail), Texts(Path(job.records))
    return Measurement(tuple(map(texts.add_artifact, made.artifacts)), made.facts)
