"""Our kernels over NumPy's arrays: by the project's interpreter, or by AWS's simulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nki
import numpy as np

from oneblock.backends._nki.ops import Kernels
from oneblock.backends.api.host import NumpyExecutable
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.compilers.nki import Generation, run
from oneblock.compilers.nki.kernel import PLATFORM
from oneblock.compilers.nki.lowering import Call
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.numpy_ops import NumpyOps


class InterpretedOps(Kernels, NumpyOps):
    """Each kernel interpreted on a generation; with `keep`, its run is noted down."""

    def __init__(self, core: Generation, own: OwnKernels = OURS, *, keep: bool = False) -> None:
        super().__init__()
        self.core, self.own, self.keep = core, own, keep
        self.calls: list[Call] = []
        self.current: str | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        before, self.current = self.current, name
        try:
            yield
        finally:
            self.current = before

    def run(self, kernel: Any, *args: Any) -> Any:
        """The kernel's answer."""
        done = run(kernel, self.core, *args)
        if self.keep:
            self.calls.append(Call.of(self.current, kernel, args, done))
        return done.outputs[0]


class SimulatedOps(Kernels, NumpyOps):
    """Each kernel by `nki.simulate`, AWS's own."""

    def __init__(self, architecture: str, own: OwnKernels = OURS) -> None:
        super().__init__()
        self.architecture, self.own = architecture, own

    def run(self, kernel: Any, *args: Any) -> Any:
        """The kernel's answer."""
        os.environ[PLATFORM] = self.architecture  # without it the simulator takes trn3
        return np.asarray(nki.simulate(kernel)(*args))


def interpreted(
    workload: Workload, case: Case, arrays: Arrays, core: Generation, own: OwnKernels
) -> tuple[NumpyExecutable, list[Call]]:
    """(the program, the calls of its kernels): it runs once, which holds every kernel to the core's rules."""
    ops = InterpretedOps(core, own, keep=True)
    workload.program(ops, case, arrays)
    return NumpyExecutable(workload, case, InterpretedOps(core, own)), ops.calls
