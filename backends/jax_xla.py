"""JAX through XLA, on the CPU, a CUDA device or a TPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Bisects, Exports
from oneblock.workloads.ops.dtypes import DTYPES


class JaxXla(Bisects, Exports):
    """The program traced by JAX and compiled by XLA, ahead of its first call."""

    name = "jax_xla"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "tpu")
    forms = ("neuron", "stablehlo")

    def family(self) -> Any:
        from oneblock.backends._jax.here import Here

        return Here()


BACKEND = JaxXla()
