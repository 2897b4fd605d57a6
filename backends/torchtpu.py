"""TorchTPU, Google's package torch-tpu: what it makes of the torch program, compiled for a TPU; no TPU has run it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.deferred import Deferred
from oneblock.compilers.api.wheels import left_out
from oneblock.compilers.xla.tpu_env import by_hand
from oneblock.workloads.ops.dtypes import DTYPES

_FIRST = (3, 12)  # the Python for which there is a JAX whose libtpu is as new as torch-tpu asks for


class TorchTpu(Deferred):
    """`kernels` has PyTorch's own attention, in float32 and bfloat16 a kernel of Mosaic's that declares no FLOPs."""

    name = "torchtpu"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "swiglu", "geglu", "gelu", "gelu_erf"),
        "kernels": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("tpu",)

    def family(self) -> Any:
        if sys.version_info < _FIRST and find_spec("torch_tpu") is None and not left_out(self.name):
            hint = "pip install 'oneblock[torchtpu]' with Python 3.12, or in oneblock's sources nox -s torchtpu"
            raise Unavailable("torch_tpu is not installed", hint)
        with by_hand():
            from oneblock.backends._torch.placeholders import Placeholders

        return Placeholders()


BACKEND = TorchTpu()
