"""An executable under measurement: its weights and inputs, and the verdicts on its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oneblock.backends.api.backend import Executable
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.answers.reference import Golden
from oneblock.workloads.answers.verdict import Check


class Subject:
    """An executable with its weights on the device, and the references for its inputs."""

    def __init__(self, executable: Executable, golden: Golden, weights: Named, inputs: Callable[[int], Named]) -> None:
        golden.check_weights(weights)
        self.executable, self.golden, self.inputs = executable, golden, inputs
        self.weights = executable.put(weights)

    def args(self, i: int) -> dict[str, Any]:
        """The arguments with input i, copied to the device now."""
        return {**self.weights, **self.executable.put(self.inputs(i))}

    def check(self, i: int, out: Any = None) -> Check:
        """The verdict on the answer to input i, computed now unless it is given."""
        if out is None:
            out = self.executable.call(self.args(i))
            self.executable.wait(out)
        return self.golden.check(self.executable.get(out), i)
