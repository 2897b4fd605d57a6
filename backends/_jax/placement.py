"""Where JAX's arrays lie: devices, layouts, shardings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from oneblock.backends.api import mesh as _mesh
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.target import MESH_AXES, Target
from oneblock.compilers.chips import every
from oneblock.compilers.chips.chip import Tpu
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Case, Spec, Split, Workload

_PLATFORM = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}  # ours to JAX's


@dataclass(frozen=True)
class Layout:
    """How the program of an ops set takes arrays: all but plain ones read projections (I, O) as (O, I)."""

    specs: Mapping[str, Spec]
    turned: bool
    state: Collection[str]  # what the program writes in place, and so is donated

    @staticmethod
    def of(workload: Workload, case: Case, ops_set: str) -> Layout:
        """That of a workload's arrays in an ops set."""
        return Layout(workload.specs(case), ops_set != "plain", workload.state(case))

    def _turns(self, name: str) -> bool:
        return self.turned and self.specs[name].projection

    def arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The arrays as they are taken, a projection (I, O) as (O, I)."""
        return {name: np.ascontiguousarray(a.T) if self._turns(name) else a for name, a in arrays.items()}

    def shapes(self, arrays: Arrays) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """(the shape in which it is taken, its dtype) of each array."""
        return {name: (a.shape[::-1] if self._turns(name) else a.shape, a.dtype) for name, a in arrays.items()}

    def split(self, name: str, taken: tuple[int, ...]) -> Split:
        """How an array, as it is taken, lies over the mesh; an output that no array has the name of, by its batch."""
        if name not in self.specs:
            return ("dp", *(None,) * (len(taken) - 1))
        found = self.specs[name].split or (None,) * len(taken)
        return found[::-1] if self._turns(name) else found


def place(target: Target, devices: Sequence[Any], layout: Layout) -> xla.Place:
    """Where arrays lie, by name and by the shape that they are taken in: one device, or the target's mesh."""
    if target.mesh is None:
        return xla.on(devices[0])
    return xla.over(devices, {axis: target.axes.get(axis, 1) for axis in MESH_AXES}, layout.split)


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
