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
from oneblock.backends._backend import Backend, Compiled, Device, Unavailable, Unsupported
from oneblock.backends._target import Target
from oneblock.bench._cell import Cell
from oneblock.bench._jobs import JOBS, GoldenJob, LimitsJob, MeasureJob, Outcome, ProbeJob, StageFile
from oneblock.bench._measure import Subject, time_launch
from oneblock.bench._record import Status
from oneblock.bench._store import adapter, to_json
from oneblock.bench._worker import say
from oneblock.compilers import Artifact
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
        "ProbeJob": _probe,
    }
    try:
        outcome = jobs[kind](adapter(JOBS[kind]).validate_python(raw))
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
    say("phase", name="weights")
    workload = workloads.load(cell.case.workload)
    weights = _weights(workload, cell)
    inputs = make_inputs(workload, cell.case, cell.dtype, cell.input_seed)
    say("phase", name="compiling")
    start = perf_counter()
    compiled = backend.compile(workload, cell.case, {**weights, **inputs}, cell.ops_set, Target.parse(cell.target))
    compile_s = perf_counter() - start
    compilations = backend.compilations()
    stages = _write_stages(compiled, job.artifacts)
    if compiled.executable is None:
        return Outcome(Status.COMPILED, device.kind, device.name, "no device here to run it on", stages=stages)
    subject = Subject(workload, cell, compiled.executable, Golden.read(Path(job.golden)), weights)
    say("phase", name="checking")
    before = subject.check(0)
    if not before.passed:
        return Outcome(Status.FAILED, device.kind, device.name, before.why, check=before, stages=stages)
    launch, after = time_launch(job, subject, import_s, compile_s)
    launch = replace(launch, compilations_by_calls=backend.compilations() - compilations)
    if not after.passed:
        reason = f"right before the timed loop and wrong in it: {after.why}"
        return Outcome(Status.FAILED, device.kind, device.name, reason, check=after, stages=stages)
    return Outcome(Status.PASSED, device.kind, device.name, check=before, launch=launch, stages=stages)


def _write_stages(compiled: Compiled, folder: str | None) -> tuple[StageFile, ...]:
    if folder is None:
        return ()

    def write(i: int, artifact: Artifact) -> StageFile:
        path = Path(folder, f"{i}.txt")
        path.write_text(artifact.text, encoding="utf-8")
        return StageFile(artifact.stage, artifact.dialect, str(path))

    return tuple(write(i, artifact) for i, artifact in enumerate(compiled.capture()))


def _limits(job: LimitsJob) -> Outcome:
    from oneblock.bench import _ceilings

    say("phase", name="measuring the machine's limits")
    if job.backend is None:
        return Outcome(Status.PASSED, rates={"read": _ceilings.host_read_bytes_per_s(job.threads)})
    backend = backends.load(job.backend)
    target = Target.parse(job.target)
    device = backend.probe(target)
    rates = _ceilings.rates(backend, target, [d for d in job.dtypes if d in backend.dtypes])
    return Outcome(Status.PASSED, device.kind, device.name, rates=rates)


def _probe(job: ProbeJob) -> Outcome:
    """What each backend has, said as it is found, so that a probe that kills the process is known by name."""
    for name in job.backends:
        say("probing", backend=name)
        for found in _probe_one(name):
            say("probed", **found)
    return Outcome(Status.PASSED)


def _probe_one(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    nothing = {"backend": name, "platform": "", "device": None, "kind": None, "reason": None, "hint": None}
    try:
        backend = backends.load(name)
        for platform in backend.platforms:
            row = nothing | {"platform": platform, "ops_sets": backend.ops_sets, "dtypes": backend.dtypes}
            try:
                device = backend.probe(Target(platform))
                found.append(row | {"device": device.name, "kind": device.kind})
            except Unavailable as error:
                found.append(row | {"reason": error.reason, "hint": error.hint})
            except Unsupported as error:
                found.append(row | {"reason": str(error)})
    except Unavailable as error:
        found.append(nothing | {"reason": error.reason, "hint": error.hint})
    except Exception as error:  # noqa: BLE001  the doctor reports what is broken, whatever it is
        found.append(nothing | {"reason": f"its probe failed: {type(error).__name__}: {error}"})
    return found
