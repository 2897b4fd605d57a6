"""JAX through XLA, on the CPU, a CUDA device or a TPU."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from oneblock.backends._backend import Compiled, Device, Kind, Unavailable, Unsupported
from oneblock.backends._host import HostCache
from oneblock.backends._target import Target
from oneblock.compilers import xla
from oneblock.workloads._dtypes import DTYPES
from oneblock.workloads._ops import Array, Ops
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload

_PLATFORM = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}  # ours to JAX's


class JaxOps(Ops):
    """The plain definitions over jax.numpy; a step becomes a named scope, and so part of every operation's metadata."""

    def __init__(self) -> None:
        super().__init__(jnp)

    def step(self, name: str) -> AbstractContextManager[None]:
        return jax.named_scope(name)


class JaxNativeOps(JaxOps):
    """JAX's own fused operations, where it has them."""

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        T, S = q.shape[1], k.shape[1]
        mask = None if T in (1, S) else self.visible(T, S, q)[None, None]
        return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=1 < T == S)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return jax.nn.silu(gate) * up

    def gelu(self, x: Array) -> Array:
        return jax.nn.gelu(x, approximate=True)


class _Executable:
    def __init__(self, compiled: Any, device: Any) -> None:
        self.compiled, self.device = compiled, device
        self.cache = HostCache()
        self.timer = "perf_counter" if device.platform == "cpu" else "perf_counter+block_until_ready"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return dict(jax.block_until_ready(jax.device_put(dict(arrays), self.device)))

    def call(self, args: Mapping[str, Any]) -> Outputs:
        return self.compiled(args)  # type: ignore[no-any-return]

    def wait(self, out: Outputs) -> None:
        jax.block_until_ready(out)

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: np.asarray(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        if self.device.platform == "cpu":
            self.cache.flush(nbytes)
        else:
            jax.block_until_ready(jax.device_put(np.zeros(nbytes, np.uint8), self.device))

    def peak_bytes(self) -> int | None:
        stats = self.device.memory_stats()
        return None if stats is None else int(stats["peak_bytes_in_use"])


class JaxXla:
    """The program traced by JAX and compiled by XLA, ahead of its first call."""

    name = "jax_xla"
    ops_sets = ("plain", "native")
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "tpu")

    def probe(self, target: Target) -> Device:
        device = _device(target)
        name = device.device_kind if target.platform != "cpu" else "cpu"
        if target.architecture is not None and target.architecture not in _architecture(device):
            raise Unsupported(f"{target} was asked for and the device here is {name}")
        return Device(Kind.MEASURED, name)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        ops = JaxNativeOps() if ops_set == "native" else JaxOps()
        device = _device(target)
        where = jax.sharding.SingleDeviceSharding(device)
        specs = {name: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=where) for name, a in arrays.items()}
        # Where it is not said, a TPU multiplies float32 in bfloat16 and an Ampere GPU in TF32: that is not float32.
        with jax.default_matmul_precision("highest"):
            try:
                compiled, capture = xla.compile_and_capture(lambda args: workload.program(ops, case, args), specs)
            except ValueError as error:
                if "not supported" not in str(error):  # e.g. a float16 product into float32 on the CPU
                    raise
                raise Unsupported(f"the {ops_set} ops do not lower here: {error}") from error
        return Compiled(_Executable(compiled, device), capture)

    def compilations(self) -> int:
        return xla.compilations()


def _device(target: Target) -> Any:
    try:
        return jax.devices(_PLATFORM[target.platform])[0]
    except RuntimeError as error:
        extra = {"cuda": "cuda13", "tpu": "tpu"}.get(target.platform, "cpu")
        hint = f"pip install 'jax[{extra}]' on a machine with that device"
        raise Unavailable(f"JAX finds no {target.platform} device ({str(error).splitlines()[0]})", hint) from error


def _architecture(device: Any) -> str:
    """The architecture as targets spell it: "sm_90" from compute capability 9.0, "v5e" from "TPU v5 lite"."""
    if device.platform == "gpu":
        return "sm_" + str(device.compute_capability).replace(".", "")
    spoken = str(device.device_kind).lower().replace("tpu", "").replace(" lite", "e").replace(" ", "")
    return {"v5": "v5p", "v6e": "v6e", "7x": "v7x"}.get(spoken, spoken)


BACKEND = JaxXla()
