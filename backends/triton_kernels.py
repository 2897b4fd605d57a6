"""Our own Triton kernels in the block: interpreted on the CPU, compiled for GPUs, and run on one that is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Bisects, Tunes
from oneblock.workloads.ops.dtypes import DTYPES


class TritonKernels(Tunes, Bisects):
    """All operations are kernels of ours, but experts."""

    name = "triton_kernels"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "kernels": (
            "linear", "rms_norm", "layer_norm", "rope", "attention", "swiglu", "geglu", "gelu", "gelu_erf", "route",
        )
    }  # fmt: skip
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "rocm")

    def family(self) -> Any:
        from oneblock.backends._triton.programs import Programs

        return Programs()


BACKEND = TritonKernels()
