"""The third party's backends of `verdicts.py`: `reference`, the same a tenth slower, and with them a short tier.

Loaded by workers through an entry point; a tier that is added here is known to the worker that loads it, and no other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

from oneblock.backends.api.backend import Compiled, Executable
from oneblock.backends.api.target import Target
from oneblock.backends.reference import Reference
from oneblock.bench.cells.tiers import TIERS
from oneblock.workloads._workload import Arrays, Case, Workload

_CAP_S = float(os.environ["VERDICTS_CAP_S"])
_STANDARD = TIERS["standard"]
TIERS["verdicts"] = replace(
    _STANDARD, name="verdicts", sample_s=min(0.5, _CAP_S / 2), cap_s=_CAP_S, least=_STANDARD.samples
)


class _Slowed:
    """An executable whose calls last longer by a share of themselves."""

    def __init__(self, inner: Executable, share: float) -> None:
        self.inner, self.share = inner, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def call(self, args: Mapping[str, Any]) -> Any:
        start = perf_counter_ns()
        out = self.inner.call(args)
        self.inner.wait(out)
        now = perf_counter_ns()
        until = now + (now - start) * self.share
        while perf_counter_ns() < until:
            pass
        return out


class Wrapped(Reference):
    """`reference`, slowed by a share of each call."""

    def __init__(self, name: str, share: float) -> None:
        self.name, self.share = name, share

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        compiled = super().compile(workload, case, arrays, ops_set, target)
        assert compiled.executable is not None
        slowed: Any = _Slowed(compiled.executable, self.share)
        return replace(compiled, executable=slowed)


verdict_even = Wrapped("verdict_even", 0.0)
verdict_slow = Wrapped("verdict_slow", 0.1)
