"""The torch program on a NeuronCore: traced with PyTorch's operations, the plain text's or its own fused ones."""

from __future__ import annotations

from typing import ClassVar

from oneblock.backends._neuron.traced import NeuronNativeOps, NeuronOps, compile_for
from oneblock.backends.api.backend import Compiled
from oneblock.compilers.neuron import tracing as neuron
from oneblock.workloads._workload import Arrays, Case, Workload


class Programs:
    """What torch-neuronx traces, of the plain and the native operations."""

    OPS: ClassVar = {"plain": NeuronOps, "native": NeuronNativeOps}

    def compile(
        self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, architecture: str, device: bool
    ) -> Compiled:
        return compile_for(workload, case, arrays, self.OPS[ops_set](), architecture, device=device)

    def compilations(self) -> int:
        return neuron.compilations()

    def lacks(self) -> str | None:
        """What the installed toolchain does not have, in words."""
        return neuron.lacks()
