"""A cell: one point of the study, and everything that must agree before two numbers are compared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from oneblock.workloads._workload import Case


@dataclass(frozen=True)
class Weights:
    """Where a cell's weights come from, if not from the seed: one layer of a checkpoint."""

    path: str
    layer: int
    sha256: str  # of the file, or of the index and the shards that hold the layer


@dataclass(frozen=True)
class Cell:
    """Workload x configuration x phase x (B, T, S) x dtype x variant x backend x ops set x target x toolchain."""

    case: Case
    dtype: str
    backend: str
    ops_set: str
    target: str
    weights: Weights | None = None
    weight_seed: int = 0
    input_seed: int = 1
    toolchain: str | None = None  # the versions that were asked for: "torch-2.12"; None: those that are installed
    variant: str | None = None  # a compression of the weights: "w8a16"; None: as they are
    sharding: str | None = None  # how arrays lie over the target's mesh: "tp"; None: as the workload's arrays say

    @property
    def subject(self) -> str:
        """What is computed, without where: cells with the same subject have the same right answer."""
        c = self.case
        size = f"B{c.B}-T{c.T}" + (f"-S{c.S}" if c.S != c.T else "")
        return f"{c.workload}-{c.config.name}-{c.phase}-{size}-{self.dtype}"

    @property
    def question(self) -> str:
        """A hash of everything that fixes the right answer."""
        where = ("backend", "ops_set", "target", "toolchain", "sharding")
        return digest({key: value for key, value in self.keys().items() if key not in where})

    @property
    def name(self) -> str:
        """A name for people and files; the identity tells cells apart."""
        return f"{self.subject}-{self.backend}-{self.ops_set}-{self.target.replace(':', '_')}"

    def keys(self) -> dict[str, Any]:
        """Every property by a dotted name: "case.config.width"; the path of a checkpoint is not one, its hash is."""
        flat = _flatten(asdict(self))
        flat.pop("weights.path", None)
        return flat


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return flat


def digest(value: object) -> str:
    """A short name for a JSON value: 16 hexadecimal digits of its SHA-256."""
    canonical = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
