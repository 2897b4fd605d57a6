"""PyTorch on AWS Neuron by `torch_neuronx.trace`: compiled for Inferentia2 and Trainium anywhere, measured on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.deferred import Deferred
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import OperatorList
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.chip import NeuronCore
from oneblock.compilers.neuron import driver, pins
from oneblock.compilers.neuron import operators as neuronx_cc
from oneblock.workloads._workload import Arrays, Case, Workload

PACKAGES = ("neuronx-cc", "torch-neuronx")


class NeuronTorch(Deferred):
    """The torch program traced by torch-neuronx and compiled by neuronx-cc. Nothing of AWS's is imported to probe."""

    name = "neuron_torch"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "native": ("linear", "rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = ("float32", "bfloat16")
    platforms = ("neuron",)

    def probe(self, target: Target) -> Availability:
        if target.architecture is not None:
            check(target.architecture)
        wrong = pins.missing(*PACKAGES)
        if wrong is None:
            wrong = self._lacks()
        if wrong is not None:
            raise Unavailable(wrong, pins.mend(*PACKAGES))
        architecture = _architecture(target)
        core = chip_of(Target("neuron", architecture), NeuronCore).name
        return (
            Availability(Kind.MEASURED, f"AWS {core}")
            if _here(architecture)
            else Availability(Kind.COMPILED, f"AWS {core}")
        )

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        self.probe(target)
        if target.mesh is not None:
            raise Unsupported(f"{target}: neuron_torch compiles for one NeuronCore: leave out @{target.mesh}")
        architecture = _architecture(target)
        compiled: Compiled = self.loaded.compile(workload, case, arrays, ops_set, architecture, _here(architecture))
        return compiled

    def operators(self) -> OperatorList:
        try:
            return neuronx_cc.operators()
        except neuronx_cc.OperatorsError as error:
            raise Unavailable(str(error), "mend it or take it off the path") from error

    def compile_command(self, module: str, name: str, target: Target) -> str:
        if target.architecture not in neuronx_cc.TARGETS:
            takes = f"`{neuronx_cc.COMPILER} compile --target` takes {', '.join(neuronx_cc.TARGETS)}"
            raise Unsupported(f"{takes} ({neuronx_cc.TARGETS_SOURCE})")
        return neuronx_cc.compile_command(module, name, target.architecture)

    def fingerprint(self, ops_set: str) -> dict[str, str | None]:
        return pins.versions(*PACKAGES)

    def family(self) -> Any:
        from oneblock.backends._neuron.programs import Programs

        return Programs()

    def _lacks(self) -> str | None:
        """What is wrong with a toolchain that is installed, by loading it and looking at what it has."""
        try:
            lacks: str | None = self.family().lacks()
        except (ImportError, OSError) as error:
            return f"its toolchain is installed and does not load: {error}"
        return lacks


def _architecture(target: Target) -> str:
    """What to compile for: what is named, or the device that is here."""
    if target.architecture is not None:
        return target.architecture
    if not driver.count():
        raise Unavailable("there is no Neuron device here", "name what to compile for, e.g. --target neuron:trn1")
    here = driver.architecture()
    if here is None:
        raise Unavailable(
            "the driver does not say what the Neuron device here is", "name it, e.g. --target neuron:trn1"
        )
    check(here)
    return here


def check(architecture: str) -> None:
    """Unsupported for what the last torch-neuronx cannot be asked for."""
    if architecture not in pins.TRACED:
        raise Unsupported(
            f"torch_neuronx.trace ended with PyTorch 2.9 and is for {', '.join(pins.TRACED)}; for {architecture} AWS "
            "has TorchNeuron, a closed beta, and NKI: --backend neuron_nki"
        )


def _here(architecture: str) -> bool:
    """Whether this machine has a device of that architecture; what is compiled for another leaves it alone."""
    return driver.count() > 0 and driver.architecture() == architecture


BACKEND = NeuronTorch()
