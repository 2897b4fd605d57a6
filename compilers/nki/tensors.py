"""PyTorch's tensors, as users of it call a kernel: taken as NumPy arrays, and given back as tensors."""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np


def is_tensor(value: Any) -> bool:
    """Whether it is one; nobody has one who has not imported PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: Any) -> Any:
    """A tensor's numbers, shared with it if they are on the host; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(as_array, value))
    if not is_tensor(value):
        return value
    torch, tensor = sys.modules["torch"], value.detach().cpu()
    if tensor.dtype is torch.bfloat16:  # which NumPy has not
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def as_tensor(array: np.ndarray) -> Any:
    """An array (...) as a tensor (...)."""
    torch = sys.modules["torch"]
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
