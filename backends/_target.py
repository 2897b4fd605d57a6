"""Targets: what a cell is compiled for, as one string such as `cpu`, `cuda:sm_90` or `tpu:v5e:2x4`."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.workloads._config import unknown

# The architectures of each platform. A platform alone (`cuda`) means the device that is here.
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "cuda": ("sm_75", "sm_80", "sm_90", "sm_100"),
    "rocm": ("gfx942",),
    "tpu": ("v4", "v5e", "v5p", "v6e", "v7x"),
    "neuron": ("inf2", "trn1", "trn2", "trn3"),
}


@dataclass(frozen=True)
class Target:
    """A platform, and where they are given an architecture and a topology."""

    platform: str
    architecture: str | None = None
    topology: str | None = None

    def __str__(self) -> str:
        return ":".join(part for part in (self.platform, self.architecture, self.topology) if part is not None)

    @staticmethod
    def parse(text: str) -> Target:
        """`platform[:architecture[:topology]]`; LookupError offers the nearest names."""
        platform, *rest = text.split(":")
        if platform not in ARCHITECTURES:
            raise LookupError(unknown("target", text, known_targets()))
        if rest and rest[0] not in ARCHITECTURES[platform]:
            raise LookupError(unknown("target", text, known_targets()))
        if len(rest) > (2 if platform == "tpu" else 1):
            raise LookupError(
                f"target {text!r} has too many parts: expected platform[:architecture], and for a TPU a topology"
            )
        return Target(platform, *rest)


def known_targets() -> list[str]:
    """Every platform, and every architecture of it."""
    return [":".join((p, *a)) for p, known in ARCHITECTURES.items() for a in [(), *((arch,) for arch in known)]]
