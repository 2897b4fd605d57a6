"""What a worker does: the jobs of `_jobs.py`, in the worker's own process."""

from __future__ import annotations

import json
import random
import resource
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any


from oneblock import backends, workloads
from oneblock.backends._backend import Backend, Compiled, Device, Executable, Unavailable, Unsupported
from oneblock.backends._target import Target
from oneblock.bench import _environment as environment
from oneblock.bench._cell import Cell
from oneblock.bench._jobs import JOBS, GoldenJob, LimitsJob, MeasureJob, Outcome, ProbeJob, StageFile
from oneblock.bench._record import Launch, Status
from oneblock.bench._sampling import calls_for, quiet, series, time_calls, warm_up
from oneblock.bench._store import adapter, to_json
from oneblock.bench._tiers import tier as find_tier
from oneblock.bench._worker import say
from oneblock.compilers import Artifact
from oneblock.workloads._check import Check
from oneblock.workloads._checkpoint import CheckpointError, load_weights
from oneblock.workloads._golden import Golden, make_golden
from oneblock.workloads._weights import Named, make_inputs, make_weights
from oneblock.workloads._workload import Workload

# How toolchains spell that an allocation failed: NumPy's and the interpreter's MemoryError, PyTorch, CUDA and XLA.
_NO_MEMORY = ("can't allocate memory", "out of memory", "RESOURCE_EXHAUSTED", "Unable to allocate", "bad_alloc")


def do(kind: str, raw: dict[str, Any]) -> Any:
    """The outcome of a job, as JSON data."""
    work = {"GoldenJob": _golden, "MeasureJob": _measure, "LimitsJob": _limits, "ProbeJob": _probe}[kind]
    try:
        outcome = work(adapter(JOBS[kind]).validate_python(raw))
    except Unavailable as error:
        outcome = Outcome(Status.UNAVAILABLE, reason=error.reason, hint=error.hint)
    except Unsupported as error:
        outcome = Outcome(Status.UNSUPPORTED, reason=str(error), hint="choose another backend, ops set, dtype or target")
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
    say("phase", name="reference")
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
    subject = _Subject(workload, cell, compiled.executable, Golden.read(Path(job.golden)), weights)
    say("phase", name="checking")
    before = subject.check(0)
    if not before.passed:
        return Outcome(Status.FAILED, device.kind, device.name, before.why, check=before, stages=stages)
    launch, after = _time(job, subject, import_s, compile_s)
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


class _Subject:
    """An executable with its weights on the device, and the references for its inputs."""

    def __init__(self, workload: Workload, cell: Cell, executable: Executable, golden: Golden, weights: Named) -> None:
        self.workload, self.cell, self.executable, self.golden = workload, cell, executable, golden
        self.weights = executable.put(weights)

    def args(self, i: int) -> dict[str, Any]:
        """The arguments with input i, of seed `input_seed + i`, copied to the device now."""
        inputs = make_inputs(self.workload, self.cell.case, self.cell.dtype, self.cell.input_seed + i)
        return {**self.weights, **self.executable.put(inputs)}

    def check(self, i: int, out: Any = None) -> Check:
        """The verdict on the answer to input i, computed now unless it is given."""
        if out is None:
            out = self.executable.call(self.args(i))
            self.executable.wait(out)
        return self.golden.check(self.executable.get(out), i)


def _time(job: MeasureJob, subject: _Subject, import_s: float, compile_s: float) -> tuple[Launch, Check]:
    """(what was measured, the worst verdict on outputs of timed calls and on one call after the loop)."""
    tier, executable = find_tier(job.tier), subject.executable
    started, load_before = environment.now(), environment.load_average()
    args = subject.args(0)
    timed: list[tuple[int, Any]] = []

    def cold() -> float:
        executable.flush(job.flush_bytes)
        return time_calls(executable, args)[0]

    recheck_at = random.Random(f"{job.cell.input_seed}/{job.index}").sample(range(tier.least), tier.rechecks)
    calls = 0

    def fresh() -> float:
        nonlocal calls
        known = 1 + len(timed) if calls in recheck_at else None  # inputs 1, 2, ... have references
        calls += 1
        unseen = subject.args(known if known is not None else 1000 * (job.index + 1) + calls)
        seconds, out = time_calls(executable, unseen)
        if known is not None:
            timed.append((known, out))
        return seconds

    with quiet():
        say("phase", name="warming up")
        warmup_s = warm_up(executable, args, tier)
        batch = calls_for(median(warmup_s))
        say("phase", name="timing")
        cold_s, stopped_by = series(cold, tier, tier.rel_stderr)
        warm_s, _ = series(lambda: time_calls(executable, args, batch)[0], tier)
        fresh_s, _ = series(fresh, tier)
    say("phase", name="checking again")
    verdicts = [*(subject.check(i, out) for i, out in timed), subject.check(0)]
    launch = Launch(
        index=job.index,
        started=started,
        cold_compile=job.cold_compile,
        import_s=import_s,
        compile_s=compile_s,
        warmup_s=tuple(warmup_s),
        cold_s=tuple(cold_s),
        warm_s=tuple(warm_s),
        fresh_s=tuple(fresh_s),
        calls_per_sample=batch,
        rechecked=len(timed),
        timer=executable.timer,
        flushed_bytes=job.flush_bytes,
        peak_rss_bytes=_peak_rss_bytes(),
        device_peak_bytes=executable.peak_bytes(),
        load_before=load_before,
        load_after=environment.load_average(),
        compilations_by_calls=0,
        stopped_by=stopped_by,
    )
    return launch, next((verdict for verdict in verdicts if not verdict.passed), verdicts[-1])


def _peak_rss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


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


