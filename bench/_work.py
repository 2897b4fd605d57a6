"""What a worker does: the jobs of `_jobs.py`, in the worker's own process."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from oneblock import backends, workloads
from oneblock.backends._backend import Backend, Compiled, Device, Kind, Unavailable, Unsupported
from oneblock.backends._target import Target
from oneblock.bench._bisect_job import bisect
from oneblock.bench._cell import Cell
from oneblock.bench._export_job import export, trn
from oneblock.bench._jobs import JOBS, GoldenJob, LimitsJob, MeasureJob, Outcome, StageFile
from oneblock.bench._measure import Subject, time_launch
from oneblock.bench._probe_job import probe
from oneblock.bench._record import Status
from oneblock.bench._store import adapter, to_json
from oneblock.bench._tune_job import tune, versus, without_data
from oneblock.bench._worker import say
from oneblock.compilers import Artifact
from oneblock.compilers._xla_errors import OutOfMemory
from oneblock.workloads._checkpoint import CheckpointError, load_weights
from oneblock.workloads._golden import Golden, make_golden
from oneblock.workloads._weights import Named, make_inputs, make_weights
from oneblock.workloads._workload import Workload

# How toolchains spell that an allocation failed: NumPy's and the interpreter's MemoryError, PyTorch, CUDA and XLA.
_NO_MEMORY = ("can't allocate memory", "out of memory", "RESOURCE_EXHAUSTED", "Unable to allocate", "bad_alloc")


def do(kind: str, raw: dict[str, Any]) -> Any:
    """The outcome of a job, as JSON data."""
    jobs: dict[str, Callable[[Any], Outcome]] = {
        "GoldenJob": _golden,
        "MeasureJob": _measure,
        "LimitsJob": _limits,
        "ProbeJob": probe,
        "TuneJob": tune,
        "VersusJob": versus,
        "BisectJob": bisect,
        "ExportJob": export,
        "TrnJob": trn,
    }
    try:
        outcome = jobs[kind](adapter(JOBS[kind]).validate_python(raw))
    except OutOfMemory as error:
        hint = "choose a smaller size; `oneblock run --fit batch|context` finds the largest that fits"
        outcome = Outcome(Status.OUT_OF_MEMORY, reason=str(error), hint=hint, memory=error.memory)
    except Unavailable as error:
        outcome = Outcome(Status.UNAVAILABLE, reason=error.reason, hint=error.hint)
    except Unsupported as error:
        outcome = Outcome(
            Status.UNSUPPORTED, reason=str(error), hint="choose another backend, ops set, dtype or target"
        )
    except CheckpointError as error:
        outcome = Outcome(Status.UNAVAILABLE, reason=str(error), hint="give a checkpoint that fits the preset")
    except Exception as error:  # noqa: BLE001  a toolchain may raise anything: it becomes a status, and the log has it all
        outcome = _failure(error)
    return json.loads(to_json(outcome))


def _failure(error: Exception) -> Outcome:
    traceback.print_exc(file=sys.stderr)
    reason = f"{type(error).__name__}: {error}".strip()
    if isinstance(error, MemoryError) or any(sign in reason for sign in _NO_MEMORY):
        return Outcome(Status.OUT_OF_MEMORY, reason=reason[:500], hint="choose a smaller size or a narrower dtype")
    return Outcome(Status.CRASHED, reason=reason[:500], hint="the log's last lines are in the record")


def _weights(workload: Workload, cell: Cell) -> Named:
    if cell.weights is None:
        return make_weights(workload, cell.case, cell.dtype, cell.weight_seed)
    return load_weights(workload, cell.case, cell.dtype, Path(cell.weights.path), cell.weights.layer)


def _golden(job: GoldenJob) -> Outcome:
    cell = job.cell
    workload = workloads.load(cell.case.workload)
    say("phase", name="computing the reference")
    golden = make_golden(workload, cell.case, cell.dtype, _weights(workload, cell), cell.input_seed, job.answers)
    if golden.wrong_accepted:
        lets_pass = ", ".join(golden.wrong_accepted)
        reason = f"the check of {cell.subject} accepts wrong answers ({lets_pass}), so its verdict would prove nothing"
        return Outcome(Status.INVALID, reason=reason, hint="choose another size or dtype, or seeded weights")
    golden.save(Path(job.path))
    return Outcome(Status.PASSED, wrong_tried=len(golden.wrong_tried))


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


def _limits(job: LimitsJob) -> Outcome:
    from oneblock.bench import _ceilings

    say("phase", name="measuring the machine's limits")
    if job.backend is None:
        return Outcome(Status.PASSED, rates={"read": _ceilings.host_read_bytes_per_s(job.threads)})
    backend = backends.load(job.backend)
    target = Target.parse(job.target)
    device = backend.probe(target)
    measured = device.kind is Kind.MEASURED  # how fast an interpreter multiplies is nobody's limit
    rates = _ceilings.rates(backend, target, [d for d in job.dtypes if d in backend.dtypes]) if measured else {}
    return Outcome(Status.PASSED, device.kind, device.name, rates=rates)
