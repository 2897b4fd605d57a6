"""PyTorch, operation by operation, on the CPU, a CUDA device or the GPU of an Apple-silicon Mac."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
import torch.fx.traceback

from oneblock.backends._torch import handed
from oneblock.backends._torch.executable import Program, TorchExecutable
from oneblock.backends._torch.gpu_executable import CudaExecutable
from oneblock.backends._torch.ops import TorchNativeOps, TorchOps, ValueOps
from oneblock.backends.api.backend import Availability, Compiled, Unavailable, Unsupported, no_lowering
from oneblock.backends.api.target import Target
from oneblock.compilers import Capture
from oneblock.compilers.api.export import ExportedModule
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload


class Eager:
    """PyTorch as it comes: each operation a call into its library."""

    OPS: ClassVar = {"plain": TorchOps, "native": TorchNativeOps}

    def probe(self, target: Target) -> Availability:
        if target.platform == "cpu":
            return Availability(Kind.MEASURED, "cpu")
        if target.platform == "mps":
            if not torch.backends.mps.is_available():
                raise Unavailable("no Apple GPU is visible to PyTorch", "run on a Mac with Apple silicon")
            return Availability(Kind.MEASURED, "Apple GPU")
        if not torch.cuda.is_available():
            raise Unavailable("no CUDA device is visible to PyTorch", "run on a machine with an NVIDIA GPU and driver")
        major, minor = torch.cuda.get_device_capability()
        if target.architecture not in (None, f"sm_{major}{minor}"):
            raise Unsupported(f"{target} was asked for and the device here is cuda:sm_{major}{minor}")
        return Availability(Kind.MEASURED, torch.cuda.get_device_name())

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        by_rows = self.OPS[ops_set].loops_over_one_row and case.B * case.T == 1
        return self._compiled(workload, case, arrays, ops_set, target, by_rows=by_rows)

    def _compiled(
        self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target, *, by_rows: bool
    ) -> Compiled:
        ops = self.OPS[ops_set]()
        device = torch.device(target.platform)
        pack = ops_set == "native" and device.type == "cpu" and torch.backends.mkldnn.is_available()

        def program(args: Mapping[str, Any]) -> Outputs:
            return workload.program(ops, case, args)

        packed = [name for name, spec in workload.specs(case).items() if pack and spec.projection]
        compiled, capture = self.build(program, TorchExecutable(program, device, packed, by_rows=by_rows), arrays)
        return Compiled(self.executable(compiled, device, packed, by_rows=by_rows), capture)

    def executable(
        self, program: Program, device: torch.device, packed: Collection[str] = (), *, by_rows: bool = False
    ) -> TorchExecutable:
        """A program on a device; on a GPU with the GPU's own clock. For whoever runs through PyTorch."""
        if device.type != "cuda":
            return TorchExecutable(program, device, packed, by_rows=by_rows)
        return CudaExecutable(program, device)

    def build(self, program: Program, eager: TorchExecutable, arrays: Arrays) -> tuple[Program, Capture]:
        """What makes one family member differ from another: here, nothing is compiled."""
        return program, no_lowering

    def export(self, form: str, workload: Workload, case: Case, arrays: Arrays) -> ExportedModule:
        return handed.export(form, partial(workload.program, ValueOps(), case), arrays)

    def run_exported(self, form: str, files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        return handed.on_cpu(form, files)

    def compilations(self) -> int:
        return 0
