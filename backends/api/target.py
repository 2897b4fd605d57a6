"""Targets: what a cell is compiled for, as one string such as `cpu`, `cuda:sm_90` or `tpu:v5e:2x4@dp2,tp4`."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Chip, Tpu
from oneblock.workloads.ops.nearest import unknown

_WITHOUT_CHIPS = ("cpu", "opencl", "metal", "webgpu")  # compiled for as such; a CPU's figures are measured
MESH_AXES = ("dp", "tp")  # data- and tensor-parallel


@dataclass(frozen=True)
class Target:
    """A platform, and where they are given an architecture, a topology (or product), and a mesh of devices."""

    platform: str
    architecture: str | None = None
    topology: str | None = None
    mesh: str | None = None  # "dp2,tp4"

    def __str__(self) -> str:
        where = ":".join(part for part in (self.platform, self.architecture, self.topology) if part is not None)
        return where if self.mesh is None else f"{where}@{self.mesh}"

    @property
    def chip_name(self) -> str:
        """The chip that it names, as `oneblock.compilers.chips` has it: without a topology and a mesh."""
        product = None if self.platform == "tpu" else self.topology
        return ":".join(part for part in (self.platform, self.architecture, product) if part is not None)

    @property
    def chip(self) -> Chip | None:
        """What is known of the chip that it names; None for a platform alone, and where nothing is."""
        return None if self.architecture is None else chips.find(self.chip_name)

    @property
    def axes(self) -> dict[str, int]:
        """How many devices lie along each axis of the mesh: {"dp": 2, "tp": 4}; empty for one device."""
        return {} if self.mesh is None else {part[:2]: int(part[2:]) for part in self.mesh.split(",")}

    @staticmethod
    def parse(text: str) -> Target:
        """`platform[:architecture[:topology]][@mesh]`; LookupError offers the nearest names."""
        where, at, mesh = text.partition("@")
        platform, *rest = where.split(":")
        chip = chips.find(":".join((platform, rest[0]))) if rest else None
        with_topology = isinstance(chip, Tpu) and len(rest) == 2
        if where not in platforms() and not with_topology and chips.find(where) is None:
            raise LookupError(_not_known(text) if chip is None else _too_long(text, chip))
        if at and not _is_mesh(mesh):
            raise LookupError(f"target {text!r}: expected a mesh such as @tp8 or @dp2,tp4 after '@', got {mesh!r}")
        architecture, topology, *_ = [*rest, None, None]
        return Target(platform, architecture, topology, mesh or None)


def _is_mesh(text: str) -> bool:
    parts = text.split(",")
    axes = [part[:2] for part in parts]
    return len(set(axes)) == len(axes) and all(
        part[:2] in MESH_AXES and part[2:].isdecimal() and int(part[2:]) > 0 for part in parts
    )


def _not_known(text: str) -> str:
    return "; ".join((unknown("target", text, known_targets()), *chips.third_party().refused))


def _too_long(text: str, chip: Chip) -> str:
    if isinstance(chip, Tpu):
        return f"target {text!r}: expected {chip.target}, or with a topology as in tpu:v5e:2x4"
    same = [one.target for one in chips.every(Chip) if one.architecture == chip.architecture]
    return f"target {text!r}: expected {' or '.join(same)}; a topology is a TPU's, as in tpu:v5e:2x4"


def platforms() -> list[str]:
    """What a target starts with. A platform alone (`cuda`) means the device that is here."""
    return [*_WITHOUT_CHIPS, *chips.platforms()]


def architectures(platform: str) -> list[str]:
    """The architectures of a platform for which a chip is known."""
    return list(dict.fromkeys(chip.architecture for chip in chips.every(Chip) if chip.platform == platform))


def known_targets(platform: str | None = None) -> list[str]:
    """Every platform, and every chip of it; or the chips of one platform."""
    if platform is not None:
        return [chip.target for chip in chips.every(Chip) if chip.platform == platform]
    return [target for each in platforms() for target in (each, *known_targets(each))]
