"""PyTorch, operation by operation, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import torch
import torch.fx.traceback
import torch.nn.functional as F

from oneblock.backends._backend import Compiled, Device, Kind, Unavailable, Unsupported, no_lowering
from oneblock.backends._host import HostCache
from oneblock.backends._target import Target
from oneblock.compilers import Capture
from oneblock.workloads._dtypes import DTYPES
from oneblock.workloads._ops import Array, Ops
from oneblock.workloads._workload import Arrays, Case, Outputs, Workload, is_projection

Program = Callable[[Mapping[str, Any]], Outputs]


class TorchOps(Ops):
    """The plain definitions over torch."""

    def __init__(self) -> None:
        super().__init__(torch)

    def wide(self, x: Array) -> Array:
        return x.to(torch.float32)

    def narrow(self, x: Array, like: Array) -> Array:
        return x.to(like.dtype)

    def step(self, name: str) -> AbstractContextManager[Any]:
        return torch.fx.traceback.annotate({"step": name}) if torch.compiler.is_compiling() else nullcontext()

    def arange(self, n: int, like: Array) -> Array:
        return torch.arange(n, device=like.device)


class TorchNativeOps(TorchOps):
    """PyTorch's own fused operations, where it has them.

    On the CPU a projection is oneDNN's, over weights that `put` has reordered for it, as Inductor does when it freezes
    a model: `x @ w` sends one bfloat16 row through a kernel that reads a third as fast as memory allows.
    """

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        if not isinstance(weight, Packed):
            return F.linear(x, weight.t(), bias)
        return torch.ops.oneblock.linear(x, weight.tensor, bias, weight.width)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        return F.rms_norm(x, weight.shape, weight, eps)

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        return F.layer_norm(x, weight.shape, weight, bias, eps)

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        (B, T, N, D), (_, S, K, _) = q.shape, k.shape
        if T == 1 and N != K:  # no mask: a group's heads are the rows of one small product, and keys are read once
            out = F.scaled_dot_product_attention(q.reshape(B, K, N // K, D), k.transpose(1, 2), v.transpose(1, 2))
            return out.reshape(B, 1, N, D)
        grouped = N != K
        mask = None if T in (1, S) else self.visible(T, S, q)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, heads, positions, D)
        out = F.scaled_dot_product_attention(q, k, v, mask, is_causal=1 < T == S, enable_gqa=grouped)
        return out.transpose(1, 2)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return F.silu(gate) * up

    def gelu(self, x: Array) -> Array:
        return F.gelu(x, approximate="tanh")


class Packed(NamedTuple):
    """A projection's weight (I, O) in oneDNN's own layout; `width` is O, which the layout hides."""

    tensor: torch.Tensor
    width: int


_LIBRARY = torch.library.Library("oneblock", "DEF")
_LIBRARY.define("linear(Tensor x, Tensor packed, Tensor? bias, int width) -> Tensor")


def _linear(x: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None, width: int) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


for _key in ("CPU", "MkldnnCPU"):
    _LIBRARY.impl("linear", _linear, _key)
# An operation of our own, because Inductor does not lower oneDNN's when it meets it in a program.
torch.library.register_fake(
    "oneblock::linear", lambda x, packed, bias, width: x.new_empty((*x.shape[:-1], width)), lib=_LIBRARY
)


class TorchExecutable:
    """A program over torch arrays, compiled or not; with `pack`, projections read oneDNN's layout."""

    def __init__(self, program: Program, device: torch.device, *, pack: bool) -> None:
        self.program, self.device, self.pack = program, device, pack
        self.cache = HostCache()
        self.timer = "perf_counter" if device.type == "cpu" else f"perf_counter+{device.type}_synchronize"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        return {name: self._put(name, array) for name, array in arrays.items()}

    def _put(self, name: str, array: np.ndarray) -> Any:
        x = _to_torch(array)
        if self.pack and is_projection(name, array.shape) and _packs(x.dtype):
            rows_first = x.t().contiguous()  # (O, I), as oneDNN takes it
            return Packed(torch.ops.mkldnn._reorder_linear_weight(rows_first), array.shape[1])
        return x.to(self.device, copy=True)

    def call(self, args: Mapping[str, Any]) -> Outputs:
        with torch.inference_mode():
            return self.program(args)

    def wait(self, out: Outputs) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def get(self, out: Outputs) -> dict[str, np.ndarray]:
        return {name: _to_numpy(x) for name, x in out.items()}

    def flush(self, nbytes: int) -> None:
        if self.device.type == "cpu":
            self.cache.flush(nbytes)
        else:
            torch.empty(nbytes, dtype=torch.uint8, device=self.device).zero_()
            torch.cuda.synchronize(self.device)

    def peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None


class TorchEager:
    """PyTorch as it comes: each operation a call into its library."""

    name = "torch_eager"
    ops_sets = ("plain", "native")
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda")

    def probe(self, target: Target) -> Device:
        if target.platform == "cpu":
            return Device(Kind.MEASURED, "cpu")
        if not torch.cuda.is_available():
            raise Unavailable("no CUDA device is visible to PyTorch", "run on a machine with an NVIDIA GPU and driver")
        major, minor = torch.cuda.get_device_capability()
        if target.architecture not in (None, f"sm_{major}{minor}"):
            raise Unsupported(f"{target} was asked for and the device here is cuda:sm_{major}{minor}")
        return Device(Kind.MEASURED, torch.cuda.get_device_name())

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        ops = TorchNativeOps() if ops_set == "native" else TorchOps()
        device = torch.device(target.platform)
        pack = ops_set == "native" and device.type == "cpu" and torch.backends.mkldnn.is_available()

        def program(args: Mapping[str, Any]) -> Outputs:
            return workload.program(ops, case, args)

        compiled, capture = self.build(program, TorchExecutable(program, device, pack=pack), arrays)
        return Compiled(self.executable(compiled, device, pack=pack), capture)

    def executable(self, program: Program, device: torch.device, *, pack: bool = False) -> TorchExecutable:
        """A program on a device; on a GPU with the GPU's own clock. For whoever runs through PyTorch."""
        if device.type != "cuda":
            return TorchExecutable(program, device, pack=pack)
        from oneblock.backends._cuda.executable import CudaExecutable  # which extends this file's

        return CudaExecutable(program, device)

    def build(self, program: Program, eager: TorchExecutable, arrays: Arrays) -> tuple[Program, Capture]:
        """What makes one family member differ from another: here, nothing is compiled."""
        return program, no_lowering

    def compilations(self) -> int:
        return 0


def without_data(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Arrays of the same shapes and dtypes on the device "meta": a program over them computes nothing."""
    return {
        name: torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device="meta")
        for name, array in arrays.items()
    }


@cache
def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN has a layout of its own for weights of that dtype on this CPU; few have float16."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32 or (dtype == torch.bfloat16 and supported)


def _to_torch(array: np.ndarray) -> torch.Tensor:
    if array.dtype == ml_dtypes.bfloat16:  # which torch does not read from NumPy: pass the bits
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _to_numpy(x: torch.Tensor) -> np.ndarray:
    x = x.detach().cpu().contiguous()
    if x.dtype == torch.bfloat16:
        return np.asarray(x.view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
    return np.asarray(x.numpy())


BACKEND = TorchEager()
