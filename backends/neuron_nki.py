"""Our own NKI kernels for AWS's NeuronCores: on a device, by AWS's simulator, or by our interpreter, as there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oneblock.backends._nki import script as scripts
from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported
from oneblock.backends.api.chips import chip_of
from oneblock.backends.api.deferred import Deferred
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.api.target import Target, known_targets
from oneblock.backends.neuron_torch import check as check_traced
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.names import DocumentedLanguage
from oneblock.compilers.chips.chip import NeuronCore
from oneblock.compilers.neuron import driver, pins
from oneblock.compilers.nki import RealNkiHere, install
from oneblock.compilers.nki.documented import documented
from oneblock.compilers.nki.kernel import specialisations
from oneblock.workloads._workload import Arrays, Case, Workload


class NeuronNki(Deferred):
    """The block with hand-written kernels. What ran them is the kind of the record: nothing steps down silently."""

    name = "neuron_nki"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "kernels": (
            "linear", "rms_norm", "layer_norm", "rope", "attention", "swiglu", "geglu", "gelu", "gelu_erf", "route",
        )
    }  # fmt: skip
    signatures: Mapping[str, str] = {
        "linear": "x (M, I), weight (I, O)[, bias (O,)]",
        "rms_norm": "x (M, C), weight (C,), eps",
        "layer_norm": "x (M, C), weight (C,), bias (C,), eps",
        "rope": "x (B, T, N, D), cos (T, D/2), sin (T, D/2)",
        "attention": "q (B, T, N, D), k (B, S, K, D), v (B, S, K, D), scale, window, soft_cap; "
        "of a decode q (B, 1, N, D), k (B, K, S, D), v (B, K, S, D), scale, soft_cap",
        "swiglu": "gate (M, F), up (M, F)",
        "geglu": "gate (M, F), up (M, F)",
        "gelu": "x (M, F)",
        "gelu_erf": "x (M, F)",
        "route": "logits (M, E), k, renormalised",
    }
    dtypes = ("float32", "bfloat16")
    platforms = ("neuron",)

    def probe(self, target: Target) -> Availability:
        if target.mesh is not None:
            raise Unsupported(f"{target}: a kernel of ours is a program for one NeuronCore")
        architecture = _architecture(target)
        core = chip_of(Target("neuron", architecture), NeuronCore).name
        here = driver.architecture() if driver.count() else architecture
        if here is None:
            raise Unavailable(
                "a Neuron device is here, and its driver does not say what it is",
                "update the driver: a record names it",
            )
        if driver.count() > 0 and here == architecture:
            wrong = pins.missing(*pins.ON_DEVICE)
            if wrong is not None:  # with a device here, an interpreter would be less than what was asked for
                raise Unavailable(f"a Neuron device is here, and {wrong}", pins.mend(*pins.ON_DEVICE))
            check_traced(architecture)
            return Availability(Kind.MEASURED, f"AWS {core}")
        if pins.real("nki"):
            return Availability(Kind.SIMULATED, f"{core}, by AWS's simulator")
        return Availability(Kind.INTERPRETED, f"{core}, by oneblock's interpreter of NKI 0.6")

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        return self.compile_with(OURS, workload, case, arrays, target)

    def compile_with(
        self, kernels: OwnKernels, workload: Workload, case: Case, arrays: Arrays, target: Target
    ) -> Compiled:
        kind, architecture = self.probe(target).kind, _architecture(target)
        compiled: Compiled = self.loaded.compile(workload, case, arrays, architecture, kind, kernels)
        return compiled

    def compilations(self) -> int:
        return specialisations()

    def fingerprint(self, ops_set: str) -> dict[str, str | None]:
        return pins.versions(*pins.ON_DEVICE)

    def run_script(self, script: Path, arguments: Sequence[str], target: Target) -> scripts.NkiScript:
        if target.platform != "neuron" or target.architecture is None:
            *most, last = known_targets("neuron")
            raise Unsupported(f"expected {', '.join(most)} or {last}, got {str(target)!r}")
        chip_of(target, NeuronCore)
        try:
            return scripts.run(script, arguments, target.architecture)
        except RealNkiHere as error:
            raise Unavailable(str(error), "run the script itself") from error

    def documented(self) -> DocumentedLanguage:
        return documented()

    def family(self) -> Any:
        if not pins.real("nki"):
            install()  # the kernels import `nki`: from here on it is our interpreter
        from oneblock.backends._nki.programs import Programs

        return Programs()


def _architecture(target: Target) -> str:
    """What is named, or the device that is here; there is no default."""
    if target.architecture is not None:
        return target.architecture
    here = driver.architecture() if driver.count() else None
    if here is None:
        raise Unavailable("there is no Neuron device here", "name one to interpret for, e.g. --target neuron:trn2")
    return here


BACKEND = NeuronNki()
