"""What the host does for every backend: flush its caches, and run programs over NumPy's arrays."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np

from oneblock.workloads._workload import Arrays, Case, Outputs, Workload
from oneblock.workloads.ops.definitions import Ops


class HostCache:
    """Evicts the CPU's caches by writing more than they hold."""

    def __init__(self) -> None:
        self._buffer = np.zeros(0, np.uint8)
        self._value = 0

    def flush(self, nbytes: int) -> None:
        """Write `nbytes` of memory."""
        if self._buffer.nbytes != nbytes:
            self._buffer = np.zeros(nbytes, np.uint8)
        self._value = (self._value + 1) % 256
        self._buffer.fill(self._value)


class NumpyExecutable:
    """A program over NumPy's arrays: its operations run on the host, whoever they ask to compute."""

    timer = "perf_counter"

    def __init__(self, workload: Workload, case: Case, ops: Ops) -> None:
        self.workload, self.case, self.ops = workload, case, ops
        self.state = workload.state(case)
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        """Copies, which a call may not change."""
        return {name: array.copy() for name, array in arrays.items()}

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        """Run the program; NumPy's own operations copy what others write in place."""
        out = self.workload.program(self.ops, self.case, args)
        args.update({name: out[name] for name in self.state})
        return out

    def wait(self, out: Outputs) -> None:
        """All is computed when a call returns."""

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        """The outputs, which are NumPy's already."""
        return out

    def flush(self, nbytes: int) -> None:
        """Evict the host's caches."""
        self.cache.flush(nbytes)

    def peak_bytes(self) -> int | None:
        """None: it is the host's own memory."""
        return None
