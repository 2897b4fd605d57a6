"""NumPy on the host: the plain definitions, run operation by operation. The slow one is the definition."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.backends.api.backend import Availability, Compiled, no_lowering
from oneblock.backends.api.host import NumpyExecutable
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.dtypes import DTYPES
from oneblock.workloads.ops.numpy_ops import NumpyOps


class Reference:
    """NumPy, which has nothing to compile."""

    name = "reference"
    ops_sets: Mapping[str, tuple[str, ...]] = {"plain": ()}  # each set with the operations that it replaces
    dtypes = tuple(DTYPES)
    platforms = ("cpu",)

    def probe(self, target: Target) -> Availability:
        return Availability(Kind.MEASURED, "cpu")

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        return Compiled(NumpyExecutable(workload, case, NumpyOps()), no_lowering)

    def compilations(self) -> int:
        return 0


BACKEND = Reference()
