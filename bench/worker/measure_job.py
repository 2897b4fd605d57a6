"""What a worker does: the jobs of `_jobs.py`, in the worker's own process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Compiled, Device, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import MeasureJob, Outcome, StageFile
from oneblock.bench.worker.subject import Subject, time_launch
from oneblock.bench.worker.weights import _weights
from oneblock.compilers import Artifact
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import make_inputs, without_data
from oneblock.workloads.answers.reference import Golden


def _prepare(cell: Cell) -> tuple[Backend, Device, float]:
    """Load the backend and look for its device: (backend, device, seconds of loading)."""
    start = perf_counter()
    backend = backends.load(cell.backend)
    target = Target.parse(cell.target)
    if target.platform not in backend.platforms:
        raise Unsupported(f"{cell.backend} has no target {target.platform} (it has {', '.join(backend.platforms)})")
    if cell.ops_set not in backend.ops_sets:
        raise Unsupported(f"{cell.backend} has no {cell.ops_set} ops (it has {', '.join(backend.ops_sets)})")
    if cell.dtype not in backend.dtypes:
        raise Unsupported(f"{cell.backend} does not compute in {cell.dtype} (but in {', '.join(backend.dtypes)})")
    return backend, backend.probe(target), perf_counter() - start


def _measure(job: MeasureJob) -> Outcome:
    cell = job.cell
    say("phase", name="importing")
    backend, device, import_s = _prepare(cell)
    workload = workloads.load(cell.case.workload)
    if device.kind is Kind.COMPILED:
        return _compile_only(job, backend, device, workload)
    say("phase", name="weights")
    weights = _weights(workload, cell)
    inputs = make_inputs(workload, cell.case, cell.dtype, cell.input_seed)
    say("phase", name="compiling")
    start = perf_counter()
    compiled = backend.compile(workload, cell.case, {**weights, **inputs}, cell.ops_set, Target.parse(cell.target))
    compile_s = perf_counter() - start
    lowered = _lowering(compiled, job)
    compilations = backend.compilations()
    if compiled.executable is None:
        reason = "no device here to run it on"
        return replace(lowered, status=Status.COMPILED, kind=device.kind, device=device.name, reason=reason)
    assert job.golden is not None, "what is run needs a reference"
    subject = Subject(workload, cell, compiled.executable, Golden.read(Path(job.golden)), weights)
    say("phase", name="checking")
    before = subject.check(0)
    outcome = replace(lowered, kind=device.kind, device=device.name, check=before)
    if not before.passed:
        return replace(outcome, status=Status.FAILED, reason=before.why)
    if device.kind in (Kind.INTERPRETED, Kind.SIMULATED):
        return replace(outcome, status=Status(device.kind))  # their names are the same
    launch, after = time_launch(job, subject, import_s, compile_s)
    launch = replace(launch, compilations_by_calls=backend.compilations() - compilations)
    if not after.passed:
        reason = f"right before the timed loop and wrong in it: {after.why}"
        return replace(outcome, status=Status.FAILED, reason=reason, check=after)
    return replace(outcome, launch=launch)


def _compile_only(job: MeasureJob, backend: Backend, device: Device, workload: Workload) -> Outcome:
    """Compile for a device that is not here: of the arrays it needs the shapes alone."""
    cell = job.cell
    say("phase", name="compiling")
    arrays = without_data(workload, cell.case, cell.dtype)
    start = perf_counter()
    compiled = backend.compile(workload, cell.case, arrays, cell.ops_set, Target.parse(cell.target))
    compile_s = perf_counter() - start
    say("phase", name="reading what the compiler did")
    lowered = _lowering(compiled, job)
    return replace(
        lowered, status=Status.COMPILED, kind=device.kind, device=device.name, compile_s=compile_s,
        reason="no device here to run it on",
    )  # fmt: skip


def _lowering(compiled: Compiled, job: MeasureJob) -> Outcome:
    """The stages, written to the job's folder, and the facts read off them; nothing where they are not wanted."""
    if job.artifacts is None:
        return Outcome(Status.PASSED)
    folder, made = Path(job.artifacts), compiled.capture(job.detail)

    def write(i: int, artifact: Artifact) -> StageFile:
        path = folder / f"{i}.txt"
        path.write_text(artifact.text, encoding="utf-8")
        return StageFile(artifact.stage, artifact.dialect, str(path))

    stages = tuple(write(i, artifact) for i, artifact in enumerate(made.artifacts))
    return Outcome(Status.PASSED, stages=stages, facts=made.facts)
