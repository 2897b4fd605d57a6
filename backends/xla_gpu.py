"""XLA:GPU: the program traced by JAX and compiled by XLA for a GPU that is not here, which needs no driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred
from oneblock.compilers.xla import gpu_env
from oneblock.workloads.ops.dtypes import DTYPES


class XlaGpu(Deferred):
    """Studied and not run: `jax_xla` measures where there is a GPU."""

    name = "xla_gpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cuda",)

    def family(self) -> Any:
        with gpu_env.quiet():
            from oneblock.backends._jax.gpu import Gpu

        return Gpu()


BACKEND = XlaGpu()
