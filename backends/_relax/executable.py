"""A program of Relax's virtual machine that runs here."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import tvm

from oneblock.backends.api.host import HostCache
from oneblock.workloads._workload import Arrays, Outputs


class RelaxExecutable:
    """A program of Relax's virtual machine on a device that is here; on the CPU it ends before a call returns."""

    def __init__(self, built: Any, device: Any | None, inputs: list[str], outputs: list[str]) -> None:
        self.runtime, self.device, self.on_cpu = tvm.runtime, device or tvm.cpu(), device is None
        self.timer = "perf_counter" if self.on_cpu else "perf_counter+cuda_synchronize"
        self.main = tvm.relax.VirtualMachine(built, self.device)["main"]
        self.inputs, self.outputs = inputs, outputs
        self.cache = HostCache()

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self.runtime.tensor(array, self.device) for name, array in arrays.items()}

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        return dict(zip(self.outputs, self.main(*(args[name] for name in self.inputs)), strict=True))

    def wait(self, out: Outputs) -> None:
        if not self.on_cpu:
            self.device.sync()

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: x.numpy() for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        if self.on_cpu:
            self.cache.flush(nbytes)
        else:
            self.runtime.tensor(np.zeros(nbytes, np.uint8), self.device)
            self.device.sync()

    def peak_bytes(self) -> int | None:
        return None
