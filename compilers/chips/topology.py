"""TPU topologies by name: what `tpu:v5e:2x4` means to the compiler, and what each generation's chip is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any


@dataclass(frozen=True)
class Generation:
    """One TPU generation as its compiler knows it."""

    name: str  # as in a target: "v5e"
    prefix: str  # as in a topology's name: "tpu7x:2x2x1"
    axes: int  # of its torus
    host: tuple[int, ...]  # the chips of one host: the smallest topology every version of the compiler accepts
    devices_per_chip: int  # as JAX counts them
    options: tuple[tuple[str, str], ...] = ()


# v4's two TensorCores are one device ("megacore"), as cloud users get them; of v7x each is a device of its own.
GENERATIONS = {
    generation.name: generation
    for generation in (
        Generation("v4", "v4", 3, (2, 2, 1), 1, (("chip_config_name", "megacore"),)),
        Generation("v5e", "v5e", 2, (2, 2), 1),
        Generation("v5p", "v5p", 3, (2, 2, 1), 1),
        Generation("v6e", "v6e", 2, (2, 2), 1),
        Generation("v7x", "tpu7x", 3, (2, 2, 1), 2),
    )
}


@dataclass(frozen=True)
class Topology:
    """Chips in a torus, all of one generation."""

    generation: Generation
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        """How many chips it has."""
        return prod(self.shape)

    @property
    def devices(self) -> int:
        """How many devices JAX sees in it."""
        return self.chips * self.generation.devices_per_chip

    def query(self) -> dict[str, Any]:
        """The arguments of `jax.experimental.topologies.get_topology_desc`."""
        name = f"{self.generation.prefix}:{'x'.join(map(str, self.shape))}"
        return {"platform": "tpu", "topology_name": name, **dict(self.generation.options)}


def topology(architecture: str, shape: str | None) -> Topology:
    """The topology of that generation and shape ("2x4"; None: one host); LookupError offers those there are."""
    generation = GENERATIONS[architecture]
    if shape is None:
        return Topology(generation, generation.host)
    try:
        sides = tuple(int(side) for side in shape.split("x"))
    except ValueError:
        sides = ()
    if len(sides) != generation.axes or sides not in shapes(generation):
        axes = "x".join("abc"[: generation.axes])
        known = ", ".join("x".join(map(str, s)) for s in shapes(generation))
        raise LookupError(f"unknown topology {shape!r} of TPU {architecture}: expected {axes}, one of: {known}")
    return Topology(generation, sides)


def shapes(generation: Generation) -> list[tuple[int, ...]]:
    """The shapes up to 256 chips: whole hosts, each side a power of two, in ascending order as clouds sell them."""
    sides = (1, 2, 4, 8, 16)
    found = []
    for shape in product(sides, repeat=generation.axes):
        whole = all(side % host == 0 for side, host in zip(shape, generation.host, strict=True))
        ordered = list(shape) == sorted(shape) if generation.axes == 2 else list(shape[::-1]) == sorted(shape)
        if whole and prod(shape) <= 256 and ordered:
            found.append(shape)
    return sorted(found, key=lambda shape: (prod(shape), shape))


def all_of(architecture: str) -> list[Topology]:
    """Every topology of a generation that is offered, the smallest first."""
    generation = GENERATIONS[architecture]
    return [Topology(generation, shape) for shape in shapes(generation)]
