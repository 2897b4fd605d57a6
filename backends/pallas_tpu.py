"""Our own Pallas kernels in the place of JAX's operations: interpreted on the CPU, compiled for every TPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Tunes


class PallasTpu(Tunes):
    """Attention, RMSNorm with the projections after it, and routing are kernels of ours; the others are JAX's own."""

    name = "pallas_tpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "kernels": ("linear", "rms_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf", "route")
    }
    dtypes = ("float32", "bfloat16")  # Mosaic refuses to load float16: "Invalid vector type for load"
    platforms = ("cpu", "tpu")

    def family(self) -> Any:
        from oneblock.backends._pallas.programs import Programs

        return Programs()


BACKEND = PallasTpu()
