"""Our own Triton kernels in the block: interpreted on the CPU, compiled for GPUs, and run on one that is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Bisects, Replaces, Tunes
from oneblock.workloads.ops.dtypes import DTYPES


class TritonKernels(Tunes, Bisects, Replaces):
    """All operations are kernels of ours, but experts."""

    name = "triton_kernels"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "kernels": (
            "linear", "rms_norm", "layer_norm", "rope", "attention", "swiglu", "geglu", "gelu", "gelu_erf", "route",
        )
    }  # fmt: skip
    signatures: Mapping[str, str] = {
        "linear": "runner, x (..., I), weight (I, O)[, bias (O,)]",
        "rms_norm": "runner, x (..., C), weight (C,), eps",
        "layer_norm": "runner, x (..., C), weight (C,), bias (C,), eps",
        "rope": "runner, x (B, T, N, D), cos (T, D/2), sin (T, D/2)",
        "attention": "runner, q (B, T, N, D), k (B, S, K, D), v (B, S, K, D), scores",
        "swiglu": "runner, gate (..., F), up (..., F)",
        "geglu": "runner, gate (..., F), up (..., F)",
        "gelu": "runner, x (..., F)",
        "gelu_erf": "runner, x (..., F)",
        "route": "runner, logits (M, E), k, renormalised",
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "rocm")

    def family(self) -> Any:
        from oneblock.backends._triton.programs import Programs

        return Programs()


BACKEND = TritonKernels()
