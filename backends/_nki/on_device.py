"""Our kernels within a PyTorch module that torch-neuronx traces: on a device, or to a NEFF without one."""

from __future__ import annotations

from typing import Any

from oneblock.backends._neuron import traced
from oneblock.backends._nki.ops import Kernels
from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.own_kernels import OwnKernels
from oneblock.workloads._workload import Arrays, Case, Workload


class TracedOps(Kernels, traced.NeuronOps):
    """Each kernel called over tensors that PyTorch/XLA records, which makes it a custom call of the HLO."""

    def __init__(self, own: OwnKernels) -> None:
        super().__init__()
        self.own = own

    def run(self, kernel: Any, *args: Any) -> Any:
        """The kernel's answer, recorded."""
        return kernel(*args)


def compile_for(
    workload: Workload, case: Case, arrays: Arrays, architecture: str, own: OwnKernels, *, device: bool
) -> Compiled:
    """Trace and compile the block with our kernels for a NeuronCore of this machine, or of another."""
    return traced.compile_for(workload, case, arrays, TracedOps(own), architecture, device=device)
