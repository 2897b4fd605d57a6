"""TorchTPU, Google's package torch-tpu: what it makes of the torch program, compiled for a TPU; no TPU has run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred
from oneblock.compilers.xla.tpu_env import by_hand
from oneblock.workloads.ops.dtypes import DTYPES


class TorchTpu(Deferred):
    """`kernels` has the kernel for attention that TorchTPU makes of PyTorch's own, which declares no FLOPs."""

    name = "torchtpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "swiglu", "geglu", "gelu", "gelu_erf"),
        "kernels": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("tpu",)

    def family(self) -> Any:
        with by_hand():
            from oneblock.backends._torch.placeholders import Placeholders

        return Placeholders()


BACKEND = TorchTpu()
