"""Targets: what a cell is compiled for, as one string such as `cpu`, `cuda:sm_90` or `tpu:v5e:2x4@dp2,tp4`."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.workloads.ops.nearest import unknown

# The architectures of each platform. A platform alone (`cuda`) means the device that is here.
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "cuda": ("sm_75", "sm_80", "sm_90", "sm_100"),
    "rocm": ("gfx942",),
    "opencl": (),
    "metal": (),
    "webgpu": (),
    "tpu": ("v4", "v5e", "v5p", "v6e", "v7x"),
    "neuron": ("inf2", "trn1", "trn2", "trn3"),
}


# What may follow an architecture: a product of that architecture other than its usual one.
PRODUCTS = {"sm_90": ("h200",)}
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
    def axes(self) -> dict[str, int]:
        """How many devices lie along each axis of the mesh: {"dp": 2, "tp": 4}; empty for one device."""
        return {} if self.mesh is None else {part[:2]: int(part[2:]) for part in self.mesh.split(",")}

    @staticmethod
    def parse(text: str) -> Target:
        """`platform[:architecture[:topology]][@mesh]`; LookupError offers the nearest names."""
        where, at, mesh = text.partition("@")
        platform, *rest = where.split(":")
        if platform not in ARCHITECTURES or (rest and rest[0] not in ARCHITECTURES[platform]):
            raise LookupError(unknown("target", text, known_targets()))
        products = PRODUCTS.get(rest[0], ()) if rest else ()
        wrong_product = bool(products and rest[1:] and rest[1] not in products)
        if len(rest) > (2 if platform == "tpu" or products else 1) or wrong_product:
            raise LookupError(
                f"target {text!r}: expected platform[:architecture], for a TPU with a topology as in tpu:v5e:2x4, and "
                f"for {rest[0]} none or one of {list(products)}"
            )
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


def known_targets() -> list[str]:
    """Every platform, and every architecture of it."""
    return [":".join((p, *a)) for p, known in ARCHITECTURES.items() for a in [(), *((arch,) for arch in known)]]
