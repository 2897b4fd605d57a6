"""What PyTorch's two ways to a TPU share: neither runs on one here, and each compiles for one device."""

from __future__ import annotations

from oneblock.backends.api.backend import Availability, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.target import Target
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.chip import Tpu
from oneblock.compilers.chips.topology import Topology, topology
from oneblock.compilers.xla import tpu_env as _libtpu


def probe(target: Target, why: str) -> Availability:
    """The TPU that is compiled for, by JAX's libtpu; a target that names none is told `why` nothing runs."""
    wrong = _libtpu.missing()
    if wrong is not None:
        raise Unavailable(*wrong)
    if target.architecture is None:
        raise Unavailable(why, "name what to compile for, e.g. --target tpu:v5e")
    return Availability(Kind.COMPILED, chip_of(target, Tpu).name)


def refuse_mesh(target: Target, backend: str) -> None:
    """Unsupported where a target is more than one device."""
    if target.mesh is not None:
        raise Unsupported(f"{target}: {backend} compiles for one device: leave out @{target.mesh}")


def where(target: Target) -> Topology:
    """The topology that a target names; Unsupported offers those there are."""
    try:
        return topology(str(target.architecture), target.topology)
    except LookupError as error:
        raise Unsupported(str(error)) from error
