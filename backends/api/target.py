"""Targets: what a cell is compiled for, as one string such as `cpu`, `cuda:sm_90` or `tpu:v5e:2x4@dp2,tp4`."""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from typing import Any

from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Chip, Tpu
from oneblock.workloads.ops.nearest import unknown

# Compiled for as such; a CPU's figures are measured. "metal" is written for by a compiler, "mps" is PyTorch's own way.
_WITHOUT_CHIPS = ("cpu", "opencl", "metal", "webgpu", "mps")
_PART = re.compile(r"[\w.-]+", re.ASCII)
_DEVICES = re.compile(r"[1-9][0-9]{0,5}")  # of one axis
_WORD = re.compile(r"\w+")
_TOPOLOGY = re.compile(r"[0-9]{1,5}(x[0-9]{1,5}){1,3}")  # whether a generation has it is for its compiler to say
MESH_AXES = ("dp", "tp")  # data- and tensor-parallel


class Target(str):
    """A platform, and where they are given an architecture, a topology (or product), and a mesh of devices.

    It is its text, which records and command lines have: `parse` makes one of what a person typed.
    """

    def __new__(
        cls, platform: str, architecture: str | None = None, topology: str | None = None, mesh: str | None = None
    ) -> Target:
        """Of its parts, which are not looked up."""
        where = ":".join(part for part in (platform, architecture, topology) if part is not None)
        return super().__new__(cls, where if mesh is None else f"{where}@{mesh}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A text in JSON. One of a record is read though this machine knows no such chip; it must have the form."""
        return {"type": "function-after", "function": {"type": "no-info", "function": _read}, "schema": handler(str)}

    @property
    def platform(self) -> str:
        """The first part: "tpu"."""
        return self._parts[0]

    @property
    def architecture(self) -> str | None:
        """The second: "v5e"; None for a platform alone."""
        return self._parts[1] if len(self._parts) > 1 else None

    @property
    def topology(self) -> str | None:
        """The third, of a GPU a product: "2x4"."""
        return self._parts[2] if len(self._parts) > 2 else None

    @property
    def mesh(self) -> str | None:
        """What follows the @: "dp2,tp4"; None for one device."""
        return self.partition("@")[2] or None

    @property
    def _parts(self) -> list[str]:
        return self.partition("@")[0].split(":")

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

    @property
    def devices(self) -> int:
        """How many devices the mesh has: 1 without one."""
        return prod(self.axes.values())

    @staticmethod
    def parse(text: str) -> Target:
        """`platform[:architecture[:topology]][@mesh]`; LookupError offers the nearest names."""
        where, at, mesh = text.partition("@")
        platform, *rest = where.split(":")
        chip = chips.find(":".join((platform, rest[0]))) if rest else None
        with_topology = isinstance(chip, Tpu) and len(rest) == 2 and _TOPOLOGY.fullmatch(rest[1])
        if where not in platforms() and not with_topology and chips.find(where) is None:
            raise LookupError(_not_known(text) if chip is None else _too_long(text, chip))
        if at and not _is_mesh(mesh):
            raise LookupError(f"target {text!r}: expected a mesh such as @tp8 or @dp2,tp4 after '@', got {mesh!r}")
        architecture, topology, *_ = [*rest, None, None]
        return Target(platform, architecture, topology, mesh or None)


@lru_cache(maxsize=1024)
def _read(text: str) -> Target:
    where, at, mesh = text.partition("@")
    parts = where.split(":")
    if not all(_PART.fullmatch(part) for part in parts) or len(parts) > 3 or (at and not _is_mesh(mesh)):
        raise ValueError(f"expected a target as platform[:architecture[:topology]][@mesh], got {text!r}")
    return Target(text)


def _is_mesh(text: str) -> bool:
    parts = text.split(",")
    axes = [part[:2] for part in parts]
    return len(set(axes)) == len(axes) and all(part[:2] in MESH_AXES and _DEVICES.fullmatch(part[2:]) for part in parts)


def _not_known(text: str) -> str:
    words = set(_WORD.findall(text.casefold()))
    named = [one for one in chips.every(Chip) if words and words <= {*_WORD.findall(one.name.casefold())}]
    if named:  # H100: the nearest of our names would be that of another product
        known = " or ".join(f"{one.target}, which is {one.name}" for one in named)
        return f"target {text!r}: expected {known}"
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
