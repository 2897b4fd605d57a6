"""PyTorch/XLA 2.9 on the CPU, and its StableHLO compiled for a TPU; frozen upstream since November 2025."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred


class TorchXla(Deferred):
    """The torch program recorded by PyTorch/XLA: run by its own XLA:CPU, or compiled for a TPU by JAX's libtpu."""

    name = "torchxla"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = ("float32", "bfloat16")  # its XLA:CPU sums a float16 product in float16: 40 times the error of rounding
    platforms = ("cpu", "tpu")

    def family(self) -> Any:
        from oneblock.backends._torch.lazy_tensors import LazyTensors

        return LazyTensors()


BACKEND = TorchXla()
