"""NumPy on the host: the plain definitions, run operation by operation. The slow one is the definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oneblock.backends._backend import Compiled, Device, Kind, no_lowering
from oneblock.backends._host import HostCache
from oneblock.backends._target import Target
from oneblock.workloads._dtypes import DTYPES
from oneblock.workloads._numpy_ops import NumpyOps
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload


class _Executable:
    timer = "perf_counter"

    def __init__(self, workload: Workload, case: Case) -> None:
        self.workload, self.case, self.ops = workload, case, NumpyOps()
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: array.copy() for name, array in arrays.items()}

    def call(self, args: Mapping[str, Any]) -> Outputs:
        return self.workload.program(self.ops, self.case, args)

    def wait(self, out: Outputs) -> None:
        """NumPy has returned when it has computed."""

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return out

    def flush(self, nbytes: int) -> None:
        self.cache.flush(nbytes)

    def peak_bytes(self) -> int | None:
        return None


class Reference:
    """NumPy, which has nothing to compile."""

    name = "reference"
    ops_sets = ("plain",)
    dtypes = tuple(DTYPES)
    platforms = ("cpu",)

    def probe(self, target: Target) -> Device:
        return Device(Kind.MEASURED, "cpu")

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        return Compiled(_Executable(workload, case), no_lowering)

    def compilations(self) -> int:
        return 0


BACKEND = Reference()
