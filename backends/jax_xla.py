"""JAX through XLA, on the CPU, a CUDA device or a TPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oneblock.backends.api.deferred import Bisects
from oneblock.compilers.api.export import ExportedModule
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.dtypes import DTYPES


class JaxXla(Bisects):
    """The program traced by JAX and compiled by XLA, ahead of its first call."""

    name = "jax_xla"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "tpu")

    def export(self, workload: Workload, case: Case, arrays: Arrays) -> ExportedModule:
        exported: ExportedModule = self.loaded.export(workload, case, arrays)
        return exported

    def run_exported(self, encoded: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        run: Callable[[Sequence[np.ndarray]], list[np.ndarray]] = self.loaded.run_exported(encoded)
        return run

    def family(self) -> Any:
        from oneblock.backends._jax.here import Here

        return Here()


BACKEND = JaxXla()
