"""PyTorch through torch.compile and Inductor, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Bisects
from oneblock.workloads.ops.dtypes import DTYPES


class TorchInductor(Bisects):
    """The same program as `torch_eager`, compiled whole: a graph break is an error."""

    name = "torch_inductor"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda")

    def family(self) -> Any:
        from oneblock.backends._torch.inductor import Inductor

        return Inductor()


BACKEND = TorchInductor()
