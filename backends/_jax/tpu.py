"""XLA:TPU: the program traced by JAX and compiled by libtpu, for any generation on any machine; measured on a TPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from oneblock.backends._jax.here import Here
from oneblock.backends._jax.ops import JaxNativeOps, JaxOps
from oneblock.backends._jax.placement import Layout, place
from oneblock.backends.api import mesh as _mesh
from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported, refuse
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips import chip
from oneblock.compilers.chips.topology import Topology, all_of, topology
from oneblock.compilers.xla import lowering as xla
from oneblock.compilers.xla import tpu
from oneblock.compilers.xla import tpu_env as _libtpu
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.definitions import STEPS, Array, Scores, uneven

ON_DEVICE = Here()


class ShippedKernels(JaxNativeOps):
    """JAX's own Pallas kernel for causal attention of a whole sequence; the other operations, and decode, as native."""

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        from jax.experimental.pallas.ops.tpu.flash_attention import flash_attention

        if q.shape[1] == 1:
            return super().attention(q, k, v, scores)
        refuse(scores.beyond() or uneven(k, v))
        group = q.shape[2] // k.shape[2]
        # It knows no groups: each query head is given a key/value head of its own, copied.
        q, k, v = (x.swapaxes(1, 2) for x in (q, k.repeat(group, axis=2), v.repeat(group, axis=2)))  # (B, N, T, D)
        return flash_attention(q, k, v, causal=True, sm_scale=scores.scale).swapaxes(1, 2)


class Tpu:
    """The block through the TPU's real compiler. Without a TPU it is compiled and studied; on one it is measured."""

    OPS: ClassVar = {"plain": JaxOps, "native": JaxNativeOps, "kernels": ShippedKernels}

    def probe(self, target: Target) -> Availability:
        return probe(target)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        ops = self.OPS[ops_set]("tpu")
        _mesh.check(case, target)
        if target.mesh is not None and ops_set == "kernels":
            raise Unsupported("a kernel of one's own is not split over devices: choose the plain or native ops")
        program = xla.named(workload.program, ops, case, workload.name)
        return compile_program(program, arrays, Layout.of(workload, case, ops_set), target, workload.steps)

    def compilations(self) -> int:
        return xla.compilations()


def probe(target: Target) -> Availability:
    """The TPU that is here, if it is what the target names; else libtpu, which compiles for it."""
    wrong = _libtpu.missing()
    if wrong is not None:
        raise Unavailable(*wrong)
    if here(target):
        return ON_DEVICE.probe(target)
    if target.architecture is None:
        raise Unavailable("there is no TPU here", "name what to compile for, e.g. --target tpu:v5e")
    one = "" if target.topology is None or target.mesh is not None else f", one device of {target.topology}"
    return Availability(Kind.COMPILED, f"{chip_of(target, chip.Tpu).name}{one}")


def here(target: Target) -> bool:
    """Whether the target is one chip of this machine, and so to be run on it; what is only compiled leaves it alone."""
    if target.topology is not None or target.mesh is not None or not xla.tpu_chips_here():
        return False
    if target.architecture is None:
        return True
    try:
        ON_DEVICE.probe(target)
    except (Unavailable, Unsupported):
        return False
    return True


def where(target: Target) -> Topology:
    """The topology that a target names, or the smallest for its mesh; Unsupported offers those there are."""
    generation = str(target.architecture)
    try:
        found = topology(generation, target.topology)
    except LookupError as error:
        raise Unsupported(str(error)) from error
    size = _mesh.size(target)
    if target.mesh is None or found.devices == size:
        return found
    if target.topology is not None:
        raise Unsupported(f"{target}: the topology has {found.devices} devices and the mesh {size}")
    fitting = [t for t in all_of(generation) if t.devices == size]
    if not fitting:
        raise Unsupported(f"{target}: no topology of TPU {generation} up to 256 chips has {size} devices")
    return fitting[0]


def _devices(target: Target, at: Topology) -> list[Any]:
    """The devices of a topology; Unsupported where libtpu knows no such chip, as of one that somebody else added."""
    try:
        return tpu.devices(at)
    except RuntimeError as error:
        if "INVALID_ARGUMENT" not in str(error):
            raise
        raise Unsupported(f"{target}: libtpu does not compile for {at.chip.name}: {error}") from error


def compile_program(
    program: Any, arrays: Arrays, layout: Layout, target: Target, steps: Sequence[str] = STEPS
) -> Compiled:
    """A traceable function of named arrays, compiled for a target on this machine or elsewhere."""
    if here(target):
        return ON_DEVICE.compile_program(program, arrays, layout, target, steps)
    at = where(target)
    try:
        where_each = place(target, _devices(target, at), layout)
        lowered, graph = xla.lower(program, layout.shapes(arrays), where_each, layout.state)
    except (ValueError, NotImplementedError) as error:
        raise Unsupported(f"does not lower for {target}: {error}") from error
    return Compiled(None, tpu.compile_and_capture(lowered, graph, at, steps))
