"""The worker's part of tuning: a search, and then what it won, timed anew beside what there was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oneblock import backends, workloads
from oneblock.backends.api.backend import Executable, Tunable, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import Outcome, TuneJob, VersusJob
from oneblock.bench.worker.sampling import quiet, time_calls
from oneblock.bench.worker.subject import Subject
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import SearchStopped, TaskState
from oneblock.workloads.answers.arrays import make_inputs, make_weights, without_data
from oneblock.workloads.answers.reference import Golden


def tune(job: TuneJob) -> Outcome:
    """Search, saying of each task how far it is."""
    cell = job.cell
    say("phase", name="importing")
    backend, target = backends.load(cell.backend), Target.parse(cell.target)
    if not isinstance(backend, Tunable):
        raise Unsupported(f"{cell.backend} has nothing that a search could choose")
    if target.platform not in backend.platforms:
        raise Unsupported(f"{cell.backend} has no target {target.platform} (it has {', '.join(backend.platforms)})")
    workload = workloads.load(cell.case.workload)
    kind = Kind.MEASURED if backend.probe(target).kind is Kind.MEASURED else Kind.MODELLED
    say("phase", name="searching", kind=kind)
    arrays = without_data(workload, cell.case, cell.dtype)
    try:
        found = backend.tune(workload, cell.case, arrays, target, job.asked, _tell)
    except SearchStopped as error:
        raise Unavailable(str(error), "`oneblock tune --help` says where it is kept") from error
    return Outcome(Status.PASSED, found.kind, found=found)


def _tell(state: TaskState) -> None:
    best = state.best
    failed = sum(trial.seconds is None for trial in state.trials)
    say(
        "task", name=state.name, calls=state.calls, flops=state.flops, trials=len(state.trials), failed=failed,
        best_s=None if best is None else best.seconds, ranked=state.default is not None,
    )  # fmt: skip


def versus(job: VersusJob) -> Outcome:
    """The seconds of each ops set, taken in turn so that what else the machine does falls on all alike."""
    cell = job.cell
    say("phase", name="importing")
    backend, target = backends.load(cell.backend), Target.parse(cell.target)
    workload = workloads.load(cell.case.workload)
    weights = make_weights(workload, cell.case, cell.dtype, cell.weight_seed)
    arrays = {**weights, **make_inputs(workload, cell.case, cell.dtype, cell.input_seed)}
    golden = Golden.read(Path(job.golden))
    made: dict[str, tuple[Executable, Mapping[str, Any]]] = {}
    for ops_set in job.ops_sets:
        say("phase", name=f"compiling {ops_set}")
        executable = backend.compile(workload, cell.case, arrays, ops_set, target).executable
        if executable is None:
            raise Unsupported(f"{cell.backend} does not run {ops_set} on {cell.target} here")
        subject = Subject(workload, cell, executable, golden, weights)
        verdict = subject.check(0)
        if not verdict.passed:
            return Outcome(Status.FAILED, reason=f"{ops_set}: {verdict.why}", check=verdict)
        made[ops_set] = executable, subject.args(0)
    say("phase", name="timing")
    seconds: dict[str, list[float]] = {ops_set: [] for ops_set in made}
    with quiet():
        for _ in range(job.rounds):
            for ops_set, (executable, args) in made.items():
                executable.flush(job.flush_bytes)
                seconds[ops_set].append(time_calls(executable, args)[0])
    return Outcome(Status.PASSED, seconds={ops_set: tuple(raw) for ops_set, raw in seconds.items()})
