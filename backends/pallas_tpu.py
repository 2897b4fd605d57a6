"""Our own Pallas kernels in the place of JAX's operations: interpreted on the CPU, compiled for every TPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Replaces, Tunes


class PallasTpu(Tunes, Replaces):
    """Attention, RMSNorm with the projections after it, and routing are kernels of ours; the others are JAX's own."""

    name = "pallas_tpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "kernels": ("linear", "rms_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf", "route")
    }
    signatures: Mapping[str, str] = {
        "linear": "x (M, I), weight (O, I)[, bias (O,)], *, interpret",
        "rms_norm": "x (M, C), weight (C,), eps, *, interpret",
        "attention": "q (B, T, N, D), k (B, S, K, D), v (B, S, K, D), scores, *, interpret; "
        "of a decode q (B, 1, N, D), k (B, K, S, D), v (B, K, S, D), scores, *, interpret",
        "swiglu": "gate (M, F), up (M, F), *, interpret",
        "geglu": "gate (M, F), up (M, F), *, interpret",
        "gelu": "x (M, F), *, interpret",
        "gelu_erf": "x (M, F), *, interpret",
        "route": "logits (M, E), k, renormalised, *, interpret",
    }
    dtypes = ("float32", "bfloat16")  # Mosaic refuses to load float16: "Invalid vector type for load"
    platforms = ("cpu", "tpu")

    def family(self) -> Any:
        from oneblock.backends._pallas.programs import Programs

        return Programs()


BACKEND = PallasTpu()
