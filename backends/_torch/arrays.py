"""NumPy's arrays as tensors and back, and tensors without data."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch
import torch.fx.traceback

from oneblock.workloads._workload import Arrays


def meta_tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Tensors of the same shapes (...) and dtypes on the device "meta": a program over them computes nothing."""
    return {
        name: torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device="meta")
        for name, array in arrays.items()
    }


def _to_torch(array: np.ndarray) -> torch.Tensor:
    if array.dtype == ml_dtypes.bfloat16:  # which torch does not read from NumPy: pass the bits
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _to_numpy(x: torch.Tensor) -> np.ndarray:
    x = x.detach().cpu().contiguous()
    if x.dtype == torch.bfloat16:
        return np.asarray(x.view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
    return np.asarray(x.numpy())
