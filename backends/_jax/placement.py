"""Where JAX's arrays lie: devices, layouts, shardings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from oneblock.backends.api import mesh as _mesh
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.target import MESH_AXES, Target
from oneblock.compilers.chips import every
from oneblock.compilers.chips.chip import Tpu
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads import _sharding as sharding
from oneblock.workloads._workload import Arrays

_PLATFORM = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}  # ours to JAX's


def layout(arrays: Arrays, ops_set: str) -> dict[str, np.ndarray]:
    """The arrays as the program of an ops set takes them: all but the plain one read a projection (I, O) as (O, I)."""
    return {name: np.ascontiguousarray(a.T) if _turned(name, a.shape, ops_set) else a for name, a in arrays.items()}


def shape(name: str, given: tuple[int, ...], ops_set: str) -> tuple[int, ...]:
    """The shape in which the program of an ops set takes an array, see `layout`."""
    return given[::-1] if _turned(name, given, ops_set) else given


def _turned(name: str, given: tuple[int, ...], ops_set: str) -> bool:
    return ops_set != "plain" and sharding.is_projection(name, given)


def place(target: Target, devices: Sequence[Any], ops_set: str) -> xla.Place:
    """Where arrays lie, by name and by the shape that the ops set takes them in: one device, or the target's mesh."""
    if target.mesh is None:
        return xla.on(devices[0])
    axes = {axis: target.axes.get(axis, 1) for axis in MESH_AXES}

    def split(name: str, taken: tuple[int, ...]) -> sharding.Split:
        found = sharding.split(name, taken)
        return found[::-1] if _turned(name, taken, ops_set) else found

    return xla.over(devices, axes, split)


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
    """The architecture as targets spell it: "sm_90" from compute capability 9.0, "v5e" from "TPU v5 lite".

    Of a kind that no chip names it is the kind itself.
    """
    if device.platform == "gpu":
        return "sm_" + str(device.compute_capability).replace(".", "")
    kind = str(device.device_kind)
    return next((tpu.architecture for tpu in every(Tpu) if kind in tpu.device_kinds), kind)
