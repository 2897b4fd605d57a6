"""PyTorch's way to the TPU: its functions over JAX arrays (torchax), lowered by JAX and compiled by XLA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred
from oneblock.workloads.ops.dtypes import DTYPES


class TorchTpu(Deferred):
    """`native` leaves layer norm to the text: torchax takes its variance in the array's own dtype."""

    name = "torch_tpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "tpu")

    def family(self) -> Any:
        from oneblock.backends._jax.torch_functions import TorchFunctions

        return TorchFunctions()


BACKEND = TorchTpu()
