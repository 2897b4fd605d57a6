"""An exported program as somebody reads it who has the folder and nothing of ours: NumPy, safetensors and the JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  gives NumPy its bfloat16, as any reader of such files must have it
import numpy as np
from safetensors import safe_open


class HandedOver:
    """What a manifest tells, and the arrays that it names."""

    def __init__(self, manifest: Path) -> None:
        self.folder, self.told = manifest.parent, json.loads(manifest.read_text())
        given, exact = self._arrays("arguments.safetensors"), self._arrays("answers.safetensors")
        self.arguments = {one["name"]: given[one["name"]] for one in self.told["arguments"]}  # in their order
        self.answers = [exact[one["name"]] for one in self.told["results"]]

    def path(self, ending: str) -> Path:
        return self.folder / self.told["files"][ending]["name"]

    def _arrays(self, ending: str) -> dict[str, np.ndarray]:
        with safe_open(self.path(ending), "np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping

    def faults(self, results: Sequence[Any]) -> list[str]:
        """What of some results is not within what the manifest allows; nothing if they are right."""
        found = []
        assert len(results) == len(self.answers)
        for told, got, exact in zip(self.told["results"], results, self.answers, strict=True):
            assert (str(got.dtype), list(got.shape)) == (told["dtype"], told["shape"])
            judged = ~np.isnan(exact)
            error = got.astype(np.float64)[judged] - exact[judged]
            norms = np.linalg.norm(error), np.linalg.norm(exact[judged])
            errors = {
                "largest_rms_error": np.sqrt(np.mean(error**2)), "largest_error": np.abs(error).max(),
                "largest_relative_l2_error": norms[0] / norms[1],
            }  # fmt: skip
            found += [
                f"{told['name']}: {name} {e:.3g} > {told[name]:.3g}"
                for name, e in errors.items()
                if not e <= told[name]
            ]
        return found
