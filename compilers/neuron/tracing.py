"""AWS Neuron by `torch_neuronx.trace`: a PyTorch module recorded by PyTorch/XLA and compiled by neuronx-cc to a NEFF.

AWS's last release with it is Neuron SDK 2.31, of PyTorch 2.9.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.neuron import aten

KEEP_VARIABLE = "ONEBLOCK_NEFF"  # the folder in which NEFFs are kept, each under its SHA-256
_FLAGS_VARIABLE = "NEURON_CC_FLAGS"  # which the framework adds to what it is told here
_KEYWORDS = ("compiler_workdir", "compiler_args", "inline_weights_to_neff", "cpu_backend")


@contextmanager
def _environment() -> Iterator[None]:
    """What the toolchain is to read while it loads and traces. What it sets itself stays: it reads that later on."""
    own = dict.fromkeys(("XLA_IR_DEBUG", "XLA_HLO_DEBUG"), "1")  # names of scopes, which are our steps, in the HLO
    # neuronx-cc is looked for on the path, and a virtual environment need not be activated to be run.
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


with _environment():
    import torch
    import torch_neuronx
    from torch_xla import _XLAC
    from torch_xla.core import xla_builder

_compilations = 0


@dataclass(frozen=True)
class TracedModule:
    """A module compiled for a NeuronCore, from tensors of the host to tensors of the host."""

    module: Any
    artifacts: tuple[Artifact, ...]


def lacks() -> str | None:
    """What this torch_neuronx has not, as a sentence: TorchNeuron, which follows it, has the same name and no trace."""
    names = [name for name in ("trace", "replace_weights", "move_trace_to_device") if not hasattr(torch_neuronx, name)]
    if not names:
        taken = inspect.signature(torch_neuronx.trace).parameters
        names = [f"trace({name}=)" for name in _KEYWORDS if name not in taken]
    return f"torch-neuronx {version('torch-neuronx')} has no {', no '.join(names)}" if names else None


def compilations() -> int:
    """How many programs have been traced and compiled in this process so far."""
    return _compilations


@contextmanager
def step(name: str) -> Iterator[None]:
    """Name what is recorded inside it, for the listing of operations and in the HLO's metadata."""
    pushed = _XLAC.profiler.scope_pusher(name)
    with aten.step(name):
        yield
    del pushed  # which ends it


def trace(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], target: str, *, device: bool, steps: Sequence[str]
) -> TracedModule:
    """Compile a module for inputs of these shapes (...); without a device, on the CPU for one that is elsewhere.

    Its parameters stay apart from the NEFF, so that they are copied to the device once and not with every call.
    """
    global _compilations
    flags = ["--target", target, "--model-type", "transformer", "--auto-cast", "none"]
    weights = any(True for _ in module.parameters())
    with tempfile.TemporaryDirectory(prefix="oneblock-neuron-trace-") as scratch, _environment(), torch.no_grad():
        traced = torch_neuronx.trace(
            module, tuple(inputs), compiler_workdir=scratch, compiler_args=flags, inline_weights_to_neff=not weights,
            cpu_backend=not device,
        )  # fmt: skip
        _compilations += 1
        return TracedModule(
            traced, (*_hlo(Path(scratch), steps), _called(flags, weights, device), _neff(Path(scratch)))
        )


def place(traced: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a module other weights, each (...) as before, and copy them to the first NeuronCore."""
    if weights:
        torch_neuronx.replace_weights(traced, dict(weights))
    torch_neuronx.move_trace_to_device(traced, 0)


def _hlo(folder: Path, steps: Sequence[str]) -> Iterator[Artifact]:
    """The compiler's own input, as far as it was left in the folder."""
    for path in sorted(folder.rglob("*.hlo")):
        computation = xla_builder.computation_from_module_proto(path.stem, path.read_bytes())
        text = xla_builder.get_computation_hlo(computation)
        text = re.sub(rf"\b({'|'.join(steps)})\.\d+\b", r"\1", text)  # the same however often a step was named before
        yield Artifact(Stage.LOWERED, "hlo", re.sub(r'(source_file=")[^"]*/', r"\1", text))


def _called(flags: Sequence[str], weights: bool, device: bool) -> Artifact:
    said = os.environ.get(_FLAGS_VARIABLE)
    lines = [
        f"neuronx-cc {version('neuronx-cc')}, torch-neuronx {version('torch-neuronx')}",
        f"compiler_args: {' '.join(flags)}",
        f"{_FLAGS_VARIABLE}: {'not set' if said is None else said}",
        f"inline_weights_to_neff: {not weights}",
        f"cpu_backend: {not device}",
    ]
    return Artifact(Stage.LOWERED, "neuronx-cc-flags", "\n".join(lines))


def _neff(folder: Path) -> Artifact:
    """Name, bytes and hash of what the compiler left, the NEFFs first; they are kept where KEEP_VARIABLE says."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda p: (p.suffix != ".neff", p))
    if not any(path.suffix == ".neff" for path in files):
        raise RuntimeError(f"expected a .neff in torch_neuronx.trace's compiler_workdir, got {[p.name for p in files]}")
    lines = []
    for path in files:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{sha256}  {path.stat().st_size:>12}  {path.relative_to(folder).as_posix()}")
        if path.suffix == ".neff" and (keep := os.environ.get(KEEP_VARIABLE)):
            Path(keep).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, Path(keep, f"{sha256}.neff"))
    return Artifact(Stage.MACHINE, "neff", "\n".join(lines))
