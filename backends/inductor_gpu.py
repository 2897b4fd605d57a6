"""What Inductor would run on a GPU: compiled for one that is not here, and interpreted on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred
from oneblock.workloads.ops.dtypes import DTYPES


class InductorGpu(Deferred):
    """`kernels` is the plain text with its matrix products in Triton; elsewhere a library has them."""

    name = "inductor_gpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
        "kernels": (),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda")

    def family(self) -> Any:
        from oneblock.backends._triton.inductor_gpu import InductorGpu

        return InductorGpu()


BACKEND = InductorGpu()
