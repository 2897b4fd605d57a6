"""float8 weights of a checkpoint: their values times the scales that lie in a tensor beside them.

`weight_scale_inv` is DeepSeek-V3's name, of one scale for each 128 x 128 weights, and `weight_scale` that of vLLM and
compressed-tensors, of one for all or one a row; both are multiplied with. A scale is used, or its weight is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from oneblock.workloads.answers.checkpoint_files import FLOAT8, CheckpointError, Stored, opened
from oneblock.workloads.models._quantised import BLOCK

_SCALES = ("_scale_inv", "_scale")  # after a weight's name
OF_ACTIVATIONS = (".input_scale", ".activation_scale")  # after its part's: activations stay in the cell's dtype


def beside(tensor: str) -> list[str]:
    """The names of what may lie beside a weight if it is float8."""
    part, _, kind = tensor.rpartition(".")
    if kind != "weight":
        return []
    return [*(tensor + end for end in _SCALES), *(part + end for end in OF_ACTIVATIONS)]


def has_scales(files: Mapping[str, Path], tensor: str, stored: Stored) -> bool:
    """Whether a weight is float8 with scales that fit it; CheckpointError where they do not, or are of another type."""
    there = [name for name in beside(tensor) if name in files]
    where, dtype = f"{files[tensor]}: {tensor}", stored.get_dtype()
    if there and dtype != FLOAT8:
        raise CheckpointError(f"{where}: expected {FLOAT8}, as {there[0]} is beside it, got {dtype}")
    scales = _scales(files, tensor)
    if len(scales) > 1:
        raise CheckpointError(f"{where}: expected one tensor of scales beside it, got {' and '.join(scales)}")
    for name in scales:
        with opened(files[name]) as tensors:
            _fitting(tensors.get_slice(name), f"{files[name]}: {name}", tensors.types, stored.get_shape())
    return bool(scales)


def times_scales(files: Mapping[str, Path], tensor: str, stored: Stored) -> np.ndarray:
    """A float8 weight (O, I) times its scales in float64, which holds each product exactly."""
    (name,) = _scales(files, tensor)
    with opened(files[name]) as tensors:
        found = tensors.get_slice(name)
        by_row, by_column = _fitting(found, f"{files[name]}: {name}", tensors.types, stored.get_shape())
        scales = found[...].astype(np.float64).reshape(-1 if by_row else 1, found.get_shape()[-1] if by_column else 1)
    O, I = stored.get_shape()  # noqa: E741  the axes' letters
    if by_row > 1:
        scales = np.repeat(scales, by_row, axis=0)[:O]
    if by_column:
        scales = np.repeat(scales, by_column, axis=1)[:, :I]
    with np.errstate(all="ignore"):  # of what is no number, which is said later on
        return np.asarray(stored[...].astype(np.float64) * scales)


def _scales(files: Mapping[str, Path], tensor: str) -> list[str]:
    return [tensor + end for end in _SCALES if tensor + end in files]


def _fitting(scales: Stored, where: str, types: Sequence[str], shape: Sequence[int]) -> tuple[int, int]:
    """How many rows and columns of a weight (O, I) have one scale, 0 for all; CheckpointError for another shape."""
    got, dtype, blocks = tuple(scales.get_shape()), scales.get_dtype(), tuple(-(-side // BLOCK) for side in shape)
    if dtype not in types:
        raise CheckpointError(f"{where}: expected {', '.join(types)}, got {dtype}; convert it first")
    if len(shape) == 2:
        if got in ((), (1,), (1, 1)):
            return 0, 0
        if got in ((shape[0],), (shape[0], 1)):
            return 1, 0
        if got == blocks:
            return BLOCK, BLOCK
    expected = f"one scale, one for each row or for each {BLOCK} x {BLOCK} of {tuple(shape)}"
    raise CheckpointError(f"{where}: expected {expected}, got the shape {got}")
