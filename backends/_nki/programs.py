"""The block with our NKI kernels, by whichever `nki` is here: the device's, AWS's simulator, or our interpreter."""

from __future__ import annotations

from inspect import isfunction
from types import ModuleType
from typing import ClassVar

from oneblock.backends._nki import on_host
from oneblock.backends._nki.ops import Kernels
from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.host import NumpyExecutable
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.api.target import Target
from oneblock.compilers import Artifact, Detail, Lowering, Stage
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.chip import NeuronCore
from oneblock.compilers.neuron import pins
from oneblock.compilers.nki import old_namespace_named
from oneblock.compilers.nki.lowering import lowering
from oneblock.workloads._workload import Arrays, Case, Workload


class Programs:
    """One text of kernels, and three that run it."""

    OPS: ClassVar = {"kernels": Kernels}

    def compile(
        self, workload: Workload, case: Case, arrays: Arrays, architecture: str, kind: Kind, own: OwnKernels = OURS
    ) -> Compiled:
        with old_namespace_named():
            own.load("a function under @nki.jit", lambda kernel: not isfunction(kernel))
        if kind is Kind.MEASURED:
            compiled: Compiled = _on_device().compile_for(workload, case, arrays, architecture, own, device=True)
            return compiled
        if kind is Kind.SIMULATED:
            return _simulated(workload, case, arrays, architecture, own)
        core = chip_of(Target("neuron", architecture), NeuronCore)
        executable, calls = on_host.interpreted(workload, case, arrays, core.generation, own)
        return Compiled(executable, lambda detail: lowering(calls, detail))


def _simulated(workload: Workload, case: Case, arrays: Arrays, architecture: str, own: OwnKernels) -> Compiled:
    """By AWS's simulator; the NEFF is a stage where its compiler and framework are here, too."""
    executable = NumpyExecutable(workload, case, on_host.SimulatedOps(architecture, own))

    def capture(detail: Detail) -> Lowering:
        wrong = pins.missing(*pins.ON_DEVICE)
        if wrong is None and architecture not in pins.TRACED:
            wrong = f"torch-neuronx is for {', '.join(pins.TRACED)}"
        if wrong is not None:
            return Lowering((Artifact(Stage.MACHINE, "neff", f"none was made: {wrong}\n"),))
        compiled = _on_device().compile_for(workload, case, arrays, architecture, own, device=False)
        lowered: Lowering = compiled.capture(detail)
        return lowered

    return Compiled(executable, capture)


def _on_device() -> ModuleType:
    """The way through PyTorch, which a simulator and an interpreter do without."""
    from oneblock.backends._nki import on_device

    return on_device
