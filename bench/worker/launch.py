"""Running a job in a process of its own, and telling how it ended: its answer, a signal, the clock or the memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, get_type_hints

from pydantic import ValidationError

from oneblock.bench.records.machine import THREAD_COUNTS
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.worker.examiner import Examiner
from oneblock.bench.worker.jobs import Checked, Job, Outcome, Result
from oneblock.bench.worker.watch import Bounds, Listener, Watch, WatchResult, first_fault
from oneblock.compilers.api.process import PYTHON, kill_session, lead, open_closed_streams, telling

_LOG_LINES = 20
_LEAST_FREE_BYTES = 2**20  # a disk with less is called full
# Where compilers keep what they compiled. Pointed into the run's own folder, so that cold means cold.
_COMPILE_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")


def launch(
    job: Job[Result], bounds: Bounds, caches: Path | None = None, listen: Listener | None = None,
    stop: threading.Event | None = None, examiner: Examiner | None = None,
) -> Outcome[Result]:  # fmt: skip
    """Run one job and say how it ended; `listen` is told what the worker says before, `examiner` is what it may ask.

    `caches` is the folder for compilers' caches, thrown away if it is None. Stopped where `stop` is set meanwhile.
    """
    open_closed_streams()
    with contextlib.ExitStack() as stack:
        try:
            folder, kills_before = stack.enter_context(scratch("worker")), _kernel_kills()
            log = stack.enter_context((folder / "log").open("w+b"))
            started = stack.enter_context(contextlib.ExitStack())
            process, answers = started.enter_context(_process(job, bounds, caches or folder, folder, log))
        except OSError as error:
            return no_room(f"{error.filename or tempfile.gettempdir()}: {error.strerror}", Outcome(Status.CRASHED))
        ended = Watch(process, answers, log, bounds, listen or (lambda _: None), stop, examiner).until_the_end()
        started.close()  # and with it the worker
        outcome = _outcome(job, ended, process.returncode, bounds, _tail(log), kills_before)
        if outcome.status is Status.CRASHED and (full := _full(folder)) is not None:
            return no_room(full, outcome)
        return outcome


def _outcome(
    job: Job[Result], ended: WatchResult, code: int, bounds: Bounds, tail: tuple[str, ...], kills_before: int | None
) -> Outcome[Result]:
    if ended.outcome is None:
        return _died(ended, code, bounds, tail, kills_before)
    try:
        outcome = read_outcome(job, ended.outcome)
        fault = job.fault(outcome) if isinstance(job, Checked) else None
        if outcome.status is Status.PASSED and outcome.result is None:
            fault = "passed, and no result"
    except ValidationError as error:
        fault = first_fault(error)
    if fault is not None:
        return _crashed(f"answered what no {type(job).__name__} answers: {fault}", tail)
    return outcome if outcome.status is Status.PASSED else replace(outcome, log_tail=tail)


def no_room(why: str, outcome: Outcome[Any]) -> Outcome[Any]:
    """A job that came to nothing, or to what it came, for want of a place: the disk's fault, and not the backend's."""
    reason = why if outcome.reason is None else f"{why}: {outcome.reason}"
    return replace(outcome, reason=reason, hint="make room there, or name another folder with TMPDIR")


def _full(folder: Path) -> str | None:
    """Why nothing more can be written to a folder; None where there is room, or no such folder."""
    with contextlib.suppress(OSError):
        found = os.statvfs(folder)
        free = found.f_bavail * found.f_frsize
        if free < _LEAST_FREE_BYTES or (found.f_files and not found.f_favail):
            return f"the disk of {folder.parent} is full ({free >> 10} KiB free)"
    return None


def to_data(job: Job[Any]) -> dict[str, Any]:
    """A job as it crosses the pipe: its file, its class, its fields."""
    return {"file": type(job).__module__.rpartition(".")[2], "kind": type(job).__name__, "job": asdict(job)}  # type: ignore[call-overload]


def read_outcome(job: Job[Result], raw: Any) -> Outcome[Result]:
    """A worker's outcome, validated as what `do` of its job says that it returns."""
    outcome: Outcome[Result] = adapter(get_type_hints(type(job).do, include_extras=True)["return"]).validate_python(raw)
    return outcome


@contextlib.contextmanager
def _process(
    job: Job[Any], bounds: Bounds, caches: Path, folder: Path, log: BinaryIO
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A worker that has its job, and the line to it; all that it started is killed at the end."""
    cpus = sorted(os.sched_getaffinity(0))[: bounds.threads] if hasattr(os, "sched_getaffinity") else None
    request = json.dumps(to_data(job) | {"cpus": cpus}).encode() + b"\n"
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            words = [*PYTHON, "-X", "faulthandler", "-c", _START, str(theirs.fileno())]
            env = {**os.environ, **own_variables(bounds.threads, caches, folder)}
            process = lead(
                lambda: subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=env,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            )
        assert process.stdin is not None  # a pipe was asked for
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once: the exit status tells how
                process.stdin.write(request)
                process.stdin.flush()
            yield process, ours
        finally:
            kill_session(process)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


# The descriptor's number is the parent's choice; the worker knows it as 3. What `main` imports comes after the ties.
_START = (
    "import os, sys; fd = int(sys.argv[1]); fd == 3 or (os.dup2(fd, 3), os.close(fd)); "
    "from oneblock.bench.worker.channel import receive; request = receive(); "
    "from oneblock.bench.worker.main import main; main(request)"
)


def own_variables(threads: int, caches: Path, folder: Path) -> dict[str, str]:
    """The variables of a process that compiles: its threads, and its own folders for what toolchains keep and leave."""
    own = {"TMPDIR": str(folder)}  # what a toolchain leaves there goes with the folder
    own |= {name: str(threads) for name in THREAD_COUNTS}
    own |= {name: str(caches / name.lower()) for name in _COMPILE_CACHES}
    own["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # by default quick and small compilations are not kept
    own["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    own["TORCHINDUCTOR_VEC_ISA_OK"] = (
        "1"  # believe the CPU's flags: half of a cold start was test programs for each ISA
    )
    own["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no pool of compiler processes beside the one that is watched
    own["PYTHONUNBUFFERED"] = own["PYTHONSAFEPATH"] = "1"
    own["TVM_BIND_THREADS"] = "0"  # it would pin its threads to cores that this process may not run on
    return own


def _kernel_kills() -> int | None:
    """How often the kernel has killed for want of memory; None where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def _tail(log: BinaryIO) -> tuple[str, ...]:
    """The last lines; the file need no longer have a name."""
    log.seek(max(0, os.fstat(log.fileno()).st_size - 16384))
    return tuple(log.read(16384).decode("utf-8", "replace").splitlines()[-_LOG_LINES:])


def _died(
    ended: WatchResult, code: int, bounds: Bounds, tail: tuple[str, ...], kills_before: int | None
) -> Outcome[Any]:
    """The outcome of a worker that gave no answer."""
    during = f"while {ended.phase}"
    if ended.misspoke is not None:
        return _crashed(f"{ended.misspoke} {during}", tail)
    if ended.timed_out:
        reason = f"still {ended.phase} after {bounds.timeout_s:g} s"
        return Outcome(Status.TIMED_OUT, reason=reason, hint="give more with --timeout", log_tail=tail)
    smaller = "choose a smaller size, or allow more with --memory"
    if ended.over_bytes is not None:
        reason = f"used {ended.over_bytes / 2**30:.1f} GiB {during}, and may use {bounds.memory_bytes / 2**30:.1f} GiB"
        return Outcome(Status.OUT_OF_MEMORY, reason=reason, hint=smaller, log_tail=tail)
    if code == -signal.SIGKILL and (_kernel_kills() or 0) > (kills_before or 0):
        reason = f"killed by the kernel for want of memory {during}"
        return Outcome(Status.OUT_OF_MEMORY, reason=reason, hint=smaller, log_tail=tail)
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
    why = telling(tail)
    reason = f"{how} {during}" if why is None else f"{how} {during}: {why}"
    return _crashed(reason, tail)


def _crashed(reason: str, tail: tuple[str, ...]) -> Outcome[Any]:
    return Outcome(Status.CRASHED, reason=reason, hint="the log's last lines are in the record", log_tail=tail)
