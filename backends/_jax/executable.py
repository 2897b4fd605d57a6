"""A compiled XLA program that runs here."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import jax
import numpy as np

from oneblock.backends._jax.placement import Layout
from oneblock.backends.api.host import HostCache
from oneblock.compilers.xla import lowering as xla
from oneblock.workloads._workload import Arrays, Outputs


class JaxExecutable:
    """A program of JAX on devices of this machine."""

    def __init__(self, compiled: Any, device: Any, layout: Layout, place: xla.Place) -> None:
        self.compiled, self.device, self.layout, self.place = compiled, device, layout, place
        self.cache = HostCache()
        self.timer = "perf_counter" if device.platform == "cpu" else "perf_counter+block_until_ready"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        taken = self.layout.arrays(arrays)
        return {name: jax.block_until_ready(self._put(name, a)) for name, a in taken.items()}

    def _put(self, name: str, array: np.ndarray) -> Any:
        """The state as a copy in any case: memory that is lent by NumPy cannot be donated, and would be copied then."""
        put = jax.device_put(array, self.place(name, array.shape))
        return put.copy() if name in self.layout.state else put

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        """Of donated arrays `args` has from now on what came of them."""
        given = xla.divided(args, self.layout.state) if self.layout.state else (args, {})
        out: Outputs = self.compiled(*given)
        for name in self.layout.state:
            args[name] = out[name]
        return out

    def wait(self, out: Outputs) -> None:
        jax.block_until_ready(out)

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: np.asarray(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        if self.device.platform == "cpu":
            self.cache.flush(nbytes)
        else:
            jax.block_until_ready(jax.device_put(np.zeros(nbytes, np.uint8), self.device))

    def peak_bytes(self) -> int | None:
        stats = self.device.memory_stats()
        return None if stats is None else int(stats["peak_bytes_in_use"])


class TpuExecutable(JaxExecutable):
    """A program on a TPU, whose profiler tells how long it ran there."""

    def device_seconds(self, args: MutableMapping[str, Any], calls: int, flush_bytes: int) -> list[float]:
        """The seconds of each call on the device, by XProf."""

        def run() -> None:
            for _ in range(calls):
                self.flush(flush_bytes)
                self.wait(self.call(args))

        program = self.compiled.as_text().split()[1].rstrip(",")  # "jit_block"
        return xla.device_seconds(run, program, calls)
