"""What the interpreter sees of a tensor and a kernel never may: its elements, and what wrote each of them last."""

from __future__ import annotations

import numpy as np

from oneblock.compilers.nki.memory import UNWRITTEN, WRITTEN, NkiTensor, Storage
from oneblock.compilers.nki.rules import require


def elements(tensor: NkiTensor) -> np.ndarray:
    """The elements (...) in the tensor's shape as they lie, written or not."""
    return tensor._data


def states(tensor: NkiTensor) -> np.ndarray:
    """UNWRITTEN, WRITTEN or PRODUCT for each element (...), in the tensor's shape."""
    return tensor._state


def read(tensor: NkiTensor) -> np.ndarray:
    """The elements (...) as they lie; RuleError if one of them was never written."""
    if not tensor._state.all():
        missing = int((tensor._state == UNWRITTEN).sum())
        where = f"{tensor!r}, allocated at {tensor.storage.place}"
        require(False, "read before it is written", "every element written", f"{missing} unwritten of {where}")
    return tensor._data


def write(tensor: NkiTensor, values: np.ndarray, state: int = WRITTEN) -> None:
    """Put values of the tensor's dtype there, in its shape (P, F) or one of as many elements a partition."""
    if not tensor._state.flags.writeable:
        require(False, "arguments and broadcast views are not written", "an nl.ndarray of its own", repr(tensor))
    tensor._data[...] = values.reshape(tensor.shape)
    tensor._state[...] = state


def forget(storage: Storage) -> None:
    """Let go of a storage's elements."""
    storage._data = storage._state = np.empty(0, np.uint8)
