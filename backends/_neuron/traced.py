"""The block as a PyTorch module that `torch_neuronx.trace` takes, and the program it gives back in four verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from oneblock.backends._torch.arrays import _to_numpy, _to_torch, meta_tensors
from oneblock.backends._torch.ops import TorchNativeOps, ValueOps
from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.host import HostCache
from oneblock.compilers import Artifact, Detail, Lowering, Stage
from oneblock.compilers.neuron import aten
from oneblock.compilers.neuron import tracing as neuron
from oneblock.workloads._workload import Arrays, Case, Outputs, Spec, Workload
from oneblock.workloads.ops.definitions import STEPS, Ops


class NeuronOps(ValueOps):
    """The plain definitions as PyTorch/XLA records them; a step becomes part of every operation's metadata."""

    def step(self, name: str) -> AbstractContextManager[Any]:
        return neuron.step(name)


class NeuronNativeOps(TorchNativeOps):
    """PyTorch's own fused operations, as PyTorch/XLA records them for Neuron."""

    step, write = NeuronOps.step, NeuronOps.write


class Program(torch.nn.Module):  # type: ignore[misc]  # of a toolchain whose types are skipped
    """A workload's program: inputs by position, weights and tables as parameters, outputs as a tuple."""

    def __init__(self, run: Callable[[Mapping[str, Any]], Outputs], specs: Mapping[str, Spec], arrays: Arrays) -> None:
        super().__init__()
        self.run = run  # a function, which a toolchain that copies the module leaves as it is
        self.inputs = [name for name, spec in specs.items() if spec.is_input]
        self.state = [name for name, spec in specs.items() if spec.is_state]
        for name, spec in specs.items():
            if not spec.is_input:
                self.register_parameter(name, torch.nn.Parameter(_empty(arrays[name]), requires_grad=False))

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs, in the program's order."""
        args = dict(zip(self.inputs, inputs, strict=True)) | dict(self.named_parameters())
        return tuple(self.run(args).values())


class TracedExecutable:
    """A traced program. It takes and gives tensors of the host: a call copies the inputs there and the outputs back."""

    timer = "perf_counter+copies_of_inputs_and_outputs"

    def __init__(self, traced: Any, program: Program, outputs: Sequence[str]) -> None:
        self.traced, self.inputs, self.outputs = traced, program.inputs, outputs
        self.weights, self.state = [name for name, _ in program.named_parameters()], program.state
        self.placed: dict[str, torch.Tensor] | None = None
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: _to_torch(array).clone() for name, array in arrays.items()}

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        weights = {name: args[name] for name in self.weights}
        if self.placed is None or any(self.placed[name] is not x for name, x in weights.items()):
            neuron.place(self.traced, weights)  # once: they stay on the device
            self.placed = weights
        with torch.no_grad():
            out = self.traced(*(args[name] for name in self.inputs))
        named = dict(zip(self.outputs, out if isinstance(out, tuple | list) else (out,), strict=True))
        args.update({name: named[name] for name in self.state})
        return named

    def wait(self, out: Outputs) -> None:
        """A traced program returns when its outputs are on the host."""

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: _to_numpy(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        """Evict the host's caches, which hold the inputs; a NeuronCore has none: its SBUF is filled by the program."""
        self.cache.flush(nbytes)

    def peak_bytes(self) -> int | None:
        """Not known here: the runtime tells it to neuron-monitor."""
        return None


def compile_for(
    workload: Workload, case: Case, arrays: Arrays, ops: Ops, architecture: str, *, device: bool
) -> Compiled:
    """Trace and compile a workload over these operations for a NeuronCore of this machine, or of another."""

    outputs: list[str] = []  # in the order of the program, which tells it as it is traced

    def run(args: Mapping[str, Any]) -> Outputs:
        out = workload.program(ops, case, args)
        outputs[:] = out
        return out

    # Of kernels, which are no operations of PyTorch's and take no arrays without data, there is no such listing.
    ours = type(ops) in (NeuronOps, NeuronNativeOps)
    graph = (Artifact(Stage.GRAPH, "aten", aten.listing(run, meta_tensors(arrays))[0]),) if ours else ()
    program = Program(run, workload.specs(case), arrays)
    inputs = [_empty(arrays[name]) for name in program.inputs]
    traced = neuron.trace(program.eval(), inputs, architecture, device=device, steps=STEPS)

    def capture(detail: Detail) -> Lowering:
        return Lowering((*graph, *traced.artifacts))

    return Compiled(TracedExecutable(traced.module, program, outputs) if device else None, capture)


def _empty(array: np.ndarray) -> torch.Tensor:
    """A tensor of that shape and dtype: the values come with a call, and what is only compiled has none."""
    return torch.zeros(array.shape, dtype=getattr(torch, array.dtype.name))
