"""How a cell ended whose kernels are somebody's own: their fault is told as theirs, with its line."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.own_kernels import OwnKernel, OwnKernelError, crashed_at
from oneblock.bench.records.record import Status
from oneblock.bench.worker.jobs import Outcome

_MEND = "mend that file: docs/kernels.md says what a kernel of your own is called with"


def own_ending(error: Exception, kernels: Sequence[OwnKernel]) -> Outcome[Any] | None:
    """The outcome of an error; None where there is no kernel of one's own, or the error has nothing to do with it."""
    if not kernels or isinstance(error, Unavailable | MemoryError):
        return None
    if isinstance(error, OwnKernelError):
        return Outcome(Status.UNSUPPORTED, reason=str(error)[:500], hint=_MEND)
    named = ", ".join(map(str, kernels))
    if isinstance(error, Unsupported):
        return Outcome(Status.UNSUPPORTED, reason=f"with {named}: {error}"[:500], hint=_MEND)
    traceback.print_exc(file=sys.stderr)
    where = crashed_at(error, kernels) or f"{type(error).__name__}: {error}"
    return Outcome(Status.CRASHED, reason=f"{named} crashed: {where}"[:500], hint=_MEND)
