"""Which job does what, and what an exception of it becomes."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import adapter, to_json
from oneblock.bench.worker.bisect_job import bisect
from oneblock.bench.worker.export_job import export, trn
from oneblock.bench.worker.golden_job import _golden
from oneblock.bench.worker.jobs import JOBS, Outcome
from oneblock.bench.worker.limits_job import _limits
from oneblock.bench.worker.measure_job import _measure
from oneblock.bench.worker.probe_job import probe
from oneblock.bench.worker.tune_job import tune, versus
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.workloads.answers.checkpoint import CheckpointError

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
