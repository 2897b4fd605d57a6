"""JAX through XLA, on the CPU, a CUDA device or a TPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from oneblock.backends import _mesh
from oneblock.backends._backend import Compiled, Device, Kind, Unavailable, Unsupported
from oneblock.backends._host import HostCache
from oneblock.backends._target import MESH_AXES, Target
from oneblock.compilers import xla
from oneblock.compilers._bisect import Passes
from oneblock.workloads._dtypes import DTYPES
from oneblock.workloads._ops import STEPS, Array, Ops
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
    """JAX's own fused operations, where it has them; projections read their weights as (O, I), see `layout`."""

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


def layout(arrays: Arrays, ops_set: str) -> dict[str, np.ndarray]:
    """The arrays as the program of an ops set takes them: all but the plain one read a projection (I, O) as (O, I)."""
    return {name: np.ascontiguousarray(a.T) if _turned(name, a.shape, ops_set) else a for name, a in arrays.items()}


def shape(name: str, given: tuple[int, ...], ops_set: str) -> tuple[int, ...]:
    """The shape in which the program of an ops set takes an array, see `layout`."""
    return given[::-1] if _turned(name, given, ops_set) else given


def _turned(name: str, given: tuple[int, ...], ops_set: str) -> bool:
    return ops_set != "plain" and is_projection(name, given)


def place(target: Target, devices: Sequence[Any], ops_set: str) -> xla.Place:
    """Where arrays lie, by name and by the shape that the ops set takes them in: one device, or the target's mesh."""
    if target.mesh is None:
        return xla.on(devices[0])
    axes = {axis: target.axes.get(axis, 1) for axis in MESH_AXES}

    def split(name: str, taken: tuple[int, ...]) -> _mesh.Split:
        found = _mesh.split(name, taken)
        return found[::-1] if _turned(name, taken, ops_set) else found

    return xla.over(devices, axes, split)


class JaxExecutable:
    """A program of JAX on devices of this machine."""

    def __init__(self, compiled: Any, device: Any, ops_set: str, place: xla.Place) -> None:
        self.compiled, self.device, self.ops_set, self.place = compiled, device, ops_set, place
        self.cache = HostCache()
        self.timer = "perf_counter" if device.platform == "cpu" else "perf_counter+block_until_ready"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        taken = layout(arrays, self.ops_set)
        return {name: jax.block_until_ready(jax.device_put(a, self.place(name, a.shape))) for name, a in taken.items()}

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


class TpuExecutable(JaxExecutable):
    """A program on a TPU, whose profiler tells how long it ran there."""

    def device_seconds(self, args: Mapping[str, Any], calls: int, flush_bytes: int) -> list[float]:
        """The seconds of each call on the device, by XProf."""

        def run() -> None:
            for _ in range(calls):
                self.flush(flush_bytes)
                self.wait(self.call(args))

        program = self.compiled.as_text().split()[1].rstrip(",")  # "jit_block"
        return xla.device_seconds(run, program, calls)


class JaxXla:
    """The program traced by JAX and compiled by XLA, ahead of its first call."""

    name = "jax_xla"
    ops_sets = ("plain", "native")
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "tpu")

    def probe(self, target: Target) -> Device:
        devices = _devices(target)
        if target.platform == "cpu":
            virtual = Device(Kind.INTERPRETED, f"{len(devices)} virtual CPU devices")  # that share the cores
            return virtual if target.mesh is not None else Device(Kind.MEASURED, "cpu")
        found = _architecture(devices[0])
        if target.architecture not in (None, found):
            raise Unsupported(f"{target} was asked for and the device here is {devices[0].device_kind}")
        return Device(Kind.MEASURED, devices[0].device_kind)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        ops = JaxNativeOps(target.platform) if ops_set == "native" else JaxOps()
        _mesh.check(case, target)
        return self.compile_program(xla.named(workload.program, ops, case, workload.name), arrays, ops_set, target)

    def compile_program(self, program: Any, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        """Any traceable function of named arrays, compiled for the devices that are here."""
        devices = _devices(target)
        where = place(target, devices, ops_set)
        shapes = {name: (shape(name, a.shape, ops_set), a.dtype) for name, a in arrays.items()}
        try:
            lowered, graph = xla.lower(program, shapes, where)
            compiled, capture = xla.compile_and_capture(lowered, graph, STEPS)
        except ValueError as error:
            if "not supported" not in str(error):  # e.g. a float16 product into float32 on the CPU
                raise
            raise Unsupported(f"the {ops_set} ops do not lower here: {error}") from error
        made = TpuExecutable if target.platform == "tpu" else JaxExecutable
        return Compiled(made(compiled, devices[0], ops_set, where), capture)

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        from oneblock.compilers.xla_bisect import XlaPasses

        if target.mesh is not None:
            raise Unsupported(f"{target}: passes are searched on one device: leave out @{target.mesh}")
        (device,) = _devices(target)[:1]
        where = xla.on(device)
        ops = JaxNativeOps(target.platform) if ops_set == "native" else JaxOps()
        program = xla.named(workload.program, ops, case, workload.name)
        shapes = {name: (shape(name, a.shape, ops_set), a.dtype) for name, a in arrays.items()}
        lowered, _ = xla.lower(program, shapes, where)
        return XlaPasses(lowered, lambda compiled: JaxExecutable(compiled, device, ops_set, where), STEPS)

    def compilations(self) -> int:
        return xla.compilations()


def _devices(target: Target) -> list[Any]:
    """The devices of the target's mesh, or one; on the CPU they are made up, before the first is used."""
    size = _mesh.size(target)
    try:
        if target.platform == "cpu" and size > 1:
            jax.config.update("jax_num_cpu_devices", size)
        found = jax.devices(_PLATFORM[target.platform])
    except RuntimeError as error:
        extra = {"cuda": "cuda13", "tpu": "tpu"}.get(target.platform, "cpu")
        hint = f"pip install 'jax[{extra}]' on a machine with that device"
        raise Unavailable(f"JAX finds no {target.platform} device ({str(error).splitlines()[0]})", hint) from error
    if len(found) < size:
        raise Unsupported(f"{target} takes {size} devices, and {len(found)} are here")
    return list(found[:size])


def _architecture(device: Any) -> str:
    """The architecture as targets spell it: "sm_90" from compute capability 9.0, "v5e" from "TPU v5 lite"."""
    if device.platform == "gpu":
        return "sm_" + str(device.compute_capability).replace(".", "")
    spoken = str(device.device_kind).lower().replace("tpu", "").replace(" lite", "e").replace(" ", "")
    return {"v5": "v5p", "v6e": "v6e", "7x": "v7x"}.get(spoken, spoken)


BACKEND = JaxXla()
