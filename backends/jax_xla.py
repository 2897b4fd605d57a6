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
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload, is_projection

_PLATFORM = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}  # ours to JAX's


class JaxOps(Ops):
    """The plain definitions over jax.numpy; a step becomes a named scope, and so part of every operation's metadata."""

    def __init__(self) -> None:
        super().__init__(jnp)

    def step(self, name: str) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = jax.named_scope(name)
        return scope


class JaxNativeOps(JaxOps):
    """JAX's own fused operations, where it has them; projections read their weights as (O, I), see `_layout`."""

    def __init__(self, platform: str) -> None:
        super().__init__()
        self.platform = platform

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        rows = x.reshape(-1, x.shape[-1])  # (R, I)
        if rows.shape[0] == 1 and self.platform == "cpu":
            # XLA:CPU has no 16-bit product of a matrix and one vector: it converts the whole matrix to float32 in every
            # call. It has one with two columns: one is wasted, and still the time is that of reading the weights.
            y = _product(weight, jnp.broadcast_to(rows, (2, rows.shape[1])))[:, :1].T
        else:
            y = _product(rows, weight)
        y = y.reshape(*x.shape[:-1], weight.shape[0])
        return self.narrow(y if bias is None else y + self.wide(bias), x)

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        T, S = q.shape[1], k.shape[1]
        mask = None if T in (1, S) else self.visible(T, S, q)[None, None]
        return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=1 < T == S)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return jax.nn.silu(gate) * up

    def gelu(self, x: Array) -> Array:
        return jax.nn.gelu(x, approximate=True)


def _product(a: Array, b: Array) -> Array:
    """a (M, I) with b (N, I) -> (M, N) in float32: told so, XLA:CPU multiplies 16-bit operands as they are."""
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


def _layout(arrays: Arrays, ops_set: str) -> dict[str, np.ndarray]:
    """The arrays as the program of an ops set takes them: the native one reads a projection (I, O) as (O, I)."""
    native = ops_set == "native"
    return {
        name: np.ascontiguousarray(a.T) if native and is_projection(name, a.shape) else a for name, a in arrays.items()
    }


class _Executable:
    def __init__(self, compiled: Any, device: Any, ops_set: str) -> None:
        self.compiled, self.device, self.ops_set = compiled, device, ops_set
        self.cache = HostCache()
        self.timer = "perf_counter" if device.platform == "cpu" else "perf_counter+block_until_ready"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return dict(jax.block_until_ready(jax.device_put(_layout(arrays, self.ops_set), self.device)))

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
        ops = JaxNativeOps(target.platform) if ops_set == "native" else JaxOps()
        device = _device(target)
        where = jax.sharding.SingleDeviceSharding(device)
        specs = {
            name: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=where) for name, a in _layout(arrays, ops_set).items()
        }
        # Where it is not said, a TPU multiplies float32 in bfloat16 and an Ampere GPU in TF32: that is not float32.
        with jax.default_matmul_precision("highest"):
            try:
                compiled, capture = xla.compile_and_capture(lambda args: workload.program(ops, case, args), specs)
            except ValueError as error:
                if "not supported" not in str(error):  # e.g. a float16 product into float32 on the CPU
                    raise
                raise Unsupported(f"the {ops_set} ops do not lower here: {error}") from error
        return Compiled(_Executable(compiled, device, ops_set), capture)

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
