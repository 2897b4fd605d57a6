"""A whole model's weights, read from its file layer by layer: in their dtype, or the same numbers in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.answers.around import Ends, load_ends
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.models import Model


@dataclass(frozen=True)
class Checkpoint:
    """A model and the file of its weights, which are read layer by layer."""

    model: Model
    path: Path
    dtype: str

    def layer(self, workload: Workload, case: Case, number: int) -> Named:
        """The weights of a layer; what of them is computed is not among them."""
        specs = workload.specs(case)
        found = load_weights(workload, case, self.dtype, self.path, number)
        return {name: array for name, array in found.items() if specs[name].table is None}

    def ends(self) -> Ends:
        """What is around the layers."""
        return load_ends(self.model, self.path, self.dtype)


@dataclass(frozen=True)
class Exact(Checkpoint):
    """The same numbers, rounded to the checkpoint's dtype, to be computed with in float64."""

    @staticmethod
    def of(checkpoint: Checkpoint) -> Exact:
        """That of a checkpoint."""
        return Exact(checkpoint.model, checkpoint.path, checkpoint.dtype)

    def layer(self, workload: Workload, case: Case, number: int) -> Named:
        """The weights of a layer, in float64."""
        return {name: array.astype(np.float64) for name, array in super().layer(workload, case, number).items()}

    def ends(self) -> Ends:
        """What is around the layers, in float64."""
        found = super().ends()
        wide = {name: getattr(found, name) for name in ("embedding", "positions", "head")}
        wide = {name: None if array is None else array.astype(np.float64) for name, array in wide.items()}
        return replace(found, norm={name: w.astype(np.float64) for name, w in found.norm.items()}, **wide)
