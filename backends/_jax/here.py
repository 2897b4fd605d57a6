"""JAX through XLA, on the CPU, a CUDA device or a TPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from oneblock.backends._jax.executable import JaxExecutable, TpuExecutable
from oneblock.backends._jax.ops import JaxNativeOps, JaxOps, PortableOps
from oneblock.backends._jax.placement import Layout, _architecture, _devices, place
from oneblock.backends.api import mesh as _mesh
from oneblock.backends.api.backend import Availability, Compiled, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import ExportedModule, Form
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.hlo.proto import HloProtoError
from oneblock.compilers.xla import export as handed
from oneblock.compilers.xla import lowering as xla
from oneblock.compilers.xla import portable
from oneblock.compilers.xla.passes import XlaPasses
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.definitions import STEPS


class Here:
    """The program traced by JAX and compiled by XLA, ahead of its first call."""

    OPS: ClassVar = {"plain": JaxOps, "native": JaxNativeOps}

    def probe(self, target: Target) -> Availability:
        devices = _devices(target)
        if target.platform == "cpu":
            virtual = Availability(Kind.INTERPRETED, f"{len(devices)} virtual CPU devices")  # that share the cores
            return virtual if target.mesh is not None else Availability(Kind.MEASURED, "cpu")
        found = _architecture(devices[0])
        if target.architecture not in (None, found):
            raise Unsupported(f"{target} was asked for and the device here is {devices[0].device_kind}")
        return Availability(Kind.MEASURED, devices[0].device_kind)

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        ops = self.OPS[ops_set](target.platform)
        _mesh.check(case, target)
        program = xla.named(workload.program, ops, case, workload.name)
        return self.compile_program(program, arrays, Layout.of(workload, case, ops_set), target, workload.steps)

    def compile_program(
        self, program: Any, arrays: Arrays, layout: Layout, target: Target, steps: Sequence[str] = STEPS
    ) -> Compiled:
        """Any traceable function of named arrays, compiled for the devices that are here."""
        devices = _devices(target)
        where = place(target, devices, layout)
        try:
            lowered, graph = xla.lower(program, layout.shapes(arrays), where, layout.state)
            compiled, capture = xla.compile_and_capture(lowered, graph, steps)
        except ValueError as error:
            if "not supported" not in str(error):  # e.g. a float16 product into float32 on the CPU
                raise
            raise Unsupported(f"does not lower for {target}: {error}") from error
        made = TpuExecutable if target.platform == "tpu" else JaxExecutable
        executable = made(compiled, devices[0], layout, where)
        # A state is put by a copy, which is a program to JAX: compiled here, since calls must not compile.
        executable.put({name: np.zeros(arrays[name].shape, arrays[name].dtype) for name in layout.state})
        return Compiled(executable, capture)

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        if target.mesh is not None:
            raise Unsupported(f"{target}: passes are searched on one device: leave out @{target.mesh}")
        (device,) = _devices(target)[:1]
        where = xla.on(device)
        ops = self.OPS[ops_set](target.platform)
        program = xla.named(workload.program, ops, case, workload.name)
        layout = Layout.of(workload, case, ops_set)
        lowered, _ = xla.lower(program, layout.shapes(arrays), where, layout.state)
        return XlaPasses(lowered, lambda compiled: JaxExecutable(compiled, device, layout, where), STEPS)

    def export(self, form: str, workload: Workload, case: Case, arrays: Arrays) -> ExportedModule:
        ways = {Form.NEURON: (JaxOps, handed.export), Form.STABLEHLO: (PortableOps, portable.export)}
        ops, write = ways[Form(form)]
        program = xla.named(workload.program, ops(), case, workload.name)
        try:
            return write(program, {name: (a.shape, a.dtype) for name, a in arrays.items()})
        except (HloProtoError, portable.NotPortable) as error:
            raise Unsupported(str(error)) from error

    def run_exported(self, form: str, files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """A function of the program's parameters (...) in their order."""
        return handed.on_cpu(files["hlo.pb"]) if form == Form.NEURON else portable.on_cpu(files)

    def compilations(self) -> int:
        return xla.compilations()
