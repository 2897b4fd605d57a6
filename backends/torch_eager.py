"""PyTorch, operation by operation, on the CPU, a CUDA device or the GPU of an Apple-silicon Mac."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Exports
from oneblock.workloads.ops.dtypes import DTYPES


class TorchEager(Exports):
    """PyTorch as it comes: each operation a call into its library."""

    name = "torch_eager"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "mps")
    forms = ("torch", "onnx")

    def family(self) -> Any:
        from oneblock.backends._torch.eager import Eager

        return Eager()


BACKEND = TorchEager()
