"""A PyTorch program that runs: what it is called with, and how its answers come back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.fx.traceback

from oneblock.backends._torch.arrays import _to_numpy, _to_torch
from oneblock.backends._torch.ops import Packed
from oneblock.backends.api.host import HostCache
from oneblock.workloads._workload import Arrays, Outputs

Program = Callable[[Mapping[str, Any]], Outputs]


class TorchExecutable:
    """A program over torch arrays, compiled or not; `packed` weights are in oneDNN's layout or lie as (O, I).

    All of them do where it is `by_rows`.
    """

    def __init__(
        self, program: Program, device: torch.device, packed: Collection[str] = (), *, by_rows: bool = False
    ) -> None:
        self.program, self.device, self.packed, self.by_rows = program, device, packed, by_rows
        self.cache = HostCache()
        self.timer = "perf_counter" if device.type == "cpu" else f"perf_counter+{device.type}_synchronize"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self._put(name, array) for name, array in arrays.items()}

    def _put(self, name: str, array: np.ndarray) -> Any:
        x = _to_torch(array)
        if name in self.packed and not self.by_rows and _packs(x.dtype):
            rows_first = x.t().contiguous()  # (O, I), as oneDNN takes it
            return Packed(torch.ops.mkldnn._reorder_linear_weight(rows_first), array.shape[1])
        if name in self.packed and (self.by_rows or x.dtype.itemsize == 2):
            return x.t().contiguous().t()  # (O, I), of which PyTorch reads 16 bits many times faster, by AVX2
        return x.to(self.device, copy=True)

    def call(self, args: MutableMapping[str, Any]) -> Outputs:
        with torch.inference_mode():
            return self.program(args)

    def wait(self, out: Outputs) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: _to_numpy(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        if self.device.type == "cpu":
            self.cache.flush(nbytes)
        else:
            self.wait({"": torch.empty(nbytes, dtype=torch.uint8, device=self.device).zero_()})

    def peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None


@cache
def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN has a layout of its own for weights of that dtype on this CPU; few have float16."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32 or (dtype == torch.bfloat16 and supported)
