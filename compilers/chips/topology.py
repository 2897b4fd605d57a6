"""TPU topologies by name: what `tpu:v5e:2x4` means to the compiler."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Tpu


@dataclass(frozen=True)
class Topology:
    """Chips in a torus, all of one generation."""

    chip: Tpu
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        """How many chips it has."""
        return prod(self.shape)

    @property
    def devices(self) -> int:
        """How many devices JAX sees in it."""
        return self.chips * self.chip.devices_per_chip

    def query(self) -> dict[str, Any]:
        """The arguments of `jax.experimental.topologies.get_topology_desc`."""
        name = f"{self.chip.prefix}:{'x'.join(map(str, self.shape))}"
        return {"platform": "tpu", "topology_name": name, **dict(self.chip.options)}


def topology(architecture: str, shape: str | None) -> Topology:
    """The topology of that generation and shape ("2x4"; None: one host); LookupError offers those there are."""
    chip = load(f"tpu:{architecture}", Tpu)
    if shape is None:
        return Topology(chip, chip.host)
    try:
        sides = tuple(int(side) for side in shape.split("x"))
    except ValueError:
        sides = ()
    if len(sides) != chip.axes or sides not in shapes(chip):
        axes = "x".join("abc"[: chip.axes])
        known = ", ".join("x".join(map(str, s)) for s in shapes(chip))
        raise LookupError(f"unknown topology {shape!r} of TPU {architecture}: expected {axes}, one of: {known}")
    return Topology(chip, sides)


def shapes(chip: Tpu) -> list[tuple[int, ...]]:
    """The shapes up to 256 chips: whole hosts, each side a power of two, in ascending order as clouds sell them."""
    sides = (1, 2, 4, 8, 16)
    found = []
    for shape in product(sides, repeat=chip.axes):
        whole = all(side % host == 0 for side, host in zip(shape, chip.host, strict=True))
        ordered = list(shape) == sorted(shape) if chip.axes == 2 else list(shape[::-1]) == sorted(shape)
        if whole and prod(shape) <= 256 and ordered:
            found.append(shape)
    return sorted(found, key=lambda shape: (prod(shape), shape))


def all_of(architecture: str) -> list[Topology]:
    """Every topology of a generation that is offered, the smallest first."""
    chip = load(f"tpu:{architecture}", Tpu)
    return [Topology(chip, shape) for shape in shapes(chip)]
