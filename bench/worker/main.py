"""The worker: one process, one job, started by `launch.py`. What goes wrong becomes a status of the outcome, except
what kills the process, which the parent sees.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any

from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import JobEnd
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.answers.inputs import InputError

_FITTING = "give a checkpoint that fits the configuration, and leave it as it is while a run lasts"
# How toolchains spell that an allocation failed: NumPy's and the interpreter's MemoryError, PyTorch, CUDA and XLA.
_NO_MEMORY = ("can't allocate memory", "out of memory", "RESOURCE_EXHAUSTED", "Unable to allocate", "bad_alloc")


def main(request: dict[str, Any]) -> None:
    """Do the job, tell its outcome, and end the process at once: a toolchain's own farewell takes seconds."""
    emit(JobEnd(_outcome(request)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def read_job(request: dict[str, Any]) -> Job[Any]:
    """The job of a request, validated: its file in this folder, its class there, its fields."""
    kind = getattr(import_module(f"{__package__}.{request['file']}"), request["kind"])
    job = adapter(kind).validate_python(request["job"])
    assert isinstance(job, Job)
    return job


def _outcome(request: dict[str, Any]) -> Outcome[Any]:
    try:
        return read_job(request).do()
    except Unavailable as error:
        return Outcome(Status.UNAVAILABLE, reason=error.reason, hint=error.hint)
    except Unsupported as error:
        return Outcome(Status.UNSUPPORTED, reason=str(error), hint="choose another backend, ops set, dtype or target")
    except CheckpointError as error:
        return Outcome(Status.UNAVAILABLE, reason=str(error), hint=_FITTING)
    except InputError as error:
        return Outcome(Status.UNAVAILABLE, reason=str(error), hint="leave the file as it is while a run lasts")
    except Exception as error:  # noqa: BLE001  a toolchain may raise anything: it becomes a status, and the log has it all
        return _failure(error)


def _failure(error: Exception) -> Outcome[Any]:
    traceback.print_exc(file=sys.stderr)
    reason = f"{type(error).__name__}: {error}".strip().encode(errors="backslashreplace").decode()
    if isinstance(error, MemoryError | OutOfMemory) or any(sign in reason for sign in _NO_MEMORY):
        return Outcome(Status.OUT_OF_MEMORY, reason=reason[:500], hint="choose a smaller size or a narrower dtype")
    return Outcome(Status.CRASHED, reason=reason[:500], hint="the log's last lines are in the record")
