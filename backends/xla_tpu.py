"""XLA:TPU: the program traced by JAX and compiled by libtpu, for any generation on any machine; measured on a TPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred
from oneblock.workloads.ops.dtypes import DTYPES


class XlaTpu(Deferred):
    """`kernels` has JAX's own Pallas kernel for the attention of a whole sequence."""

    name = "xla_tpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
        "kernels": ("linear", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("tpu",)

    def family(self) -> Any:
        from oneblock.backends._jax.tpu import Tpu

        return Tpu()


BACKEND = XlaTpu()
