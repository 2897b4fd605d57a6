"""PyTorch through torch.compile and Inductor, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.deferred import Bisects
from oneblock.backends.api.target import Target
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.dtypes import DTYPES


class TorchInductor(Bisects):
    """The same program as `torch_eager`, compiled whole: a graph break is an error."""

    name = "torch_inductor"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda")

    def compile_layer(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        compiled: Compiled = self.loaded.compile_layer(workload, case, arrays, ops_set, target)
        return compiled

    def family(self) -> Any:
        from oneblock.backends._torch.inductor import Inductor

        return Inductor()


BACKEND = TorchInductor()
