"""Scaled-dot-product attention as PyTorch would carry it out on a GPU: which of its fused kernels takes the call.

PyTorch decides by the device, in C++ that a build for the CPU does not have, so the rules are written down here, of
`aten/src/ATen/native/transformers/cuda/sdp_utils.cpp` and without cuDNN, which wheels for CUDA 12 do not prefer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from oneblock.compilers.chips.chip import Gpu

_ATEN = torch.ops.aten
FLASH, EFFICIENT = (
    _ATEN._scaled_dot_product_flash_attention.default,
    _ATEN._scaled_dot_product_efficient_attention.default,
)
_HALF = (torch.float16, torch.bfloat16)
_WIDEST_FLASH = 256


def choose(
    gpu: Gpu, dtype: torch.dtype, head_width: int, value_width: int, *, masked: bool, grouped: bool
) -> Any:  # fmt: skip
    """The operation that PyTorch calls; None where it decomposes attention into products and a softmax."""
    recent = gpu.capability >= (8, 0)
    if recent and dtype in _HALF and not masked and head_width == value_width <= _WIDEST_FLASH:
        return FLASH
    known = dtype in (torch.float32, *_HALF) and (recent or dtype != torch.bfloat16)
    aligned = all(width % _alignment(recent, dtype) == 0 for width in (head_width, value_width))
    return EFFICIENT if known and aligned and not masked and not grouped else None


def _alignment(recent: bool, dtype: torch.dtype) -> int:
    if dtype in _HALF:
        return 8
    return 4 if recent else 1


@contextmanager
def decided(gpu: Gpu) -> Iterator[None]:
    """Inside, attention that is traced on a GPU becomes the kernel that would take it there.

    It is the program's own, or Inductor's, which recognises products with a softmax between them as attention.
    """
    whole, key = _ATEN.scaled_dot_product_attention.default, torch._C.DispatchKey.CompositeImplicitAutograd

    def attention(
        q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, causal: bool = False, *,
        scale: float | None = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        given = {"scale": 1 / math.sqrt(q.shape[-1]) if scale is None else scale}
        grouped, width = q.shape[1] != k.shape[1], q.shape[-1]
        operation = choose(gpu, q.dtype, width, v.shape[-1], masked=mask is not None, grouped=grouped)
        if q.device.type != "cuda" or operation is None:
            return whole._op_dk(key, q, k, v, mask, dropout, causal, scale=scale, enable_gqa=enable_gqa)
        if operation is EFFICIENT:
            return EFFICIENT(q, k, v, None, False, dropout, causal, **given)[0]
        q, k, v = (F.pad(x, (0, -width % 8)) if width % 8 else x for x in (q, k, v))
        out = FLASH(q, k, v, dropout, causal, False, **given)[0]
        return _ATEN.slice(out, -1, 0, width) if width % 8 else out  # out[..., :width] asks for a device

    with patch.dict(whole.py_kernels, {key: attention}):
        whole._dispatch_cache.clear()
        try:
            yield
        finally:
            whole._dispatch_cache.clear()


class OnCpu(TorchDispatchMode):  # type: ignore[misc]
    """Carries the two fused kernels out by the CPU's own, with the layout that a GPU's answer has."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if operation not in (FLASH, EFFICIENT) or args[0].device.type == "meta":
            return operation(*args, **given)
        like, *unused = operation(*map(_without_data, args), **given)
        q, k, v = args[:3]
        causal = any(args[4:5] if operation is FLASH else args[6:7])  # left out where it is False
        grouped = q.shape[1] != k.shape[1]
        out = F.scaled_dot_product_attention(q, k, v, None, 0.0, causal, scale=given["scale"], enable_gqa=grouped)
        return (torch.empty_strided(like.shape, like.stride(), dtype=out.dtype).copy_(out), *unused)


def _without_data(x: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
