"""The numbers of a workload: seeded, of a realistic scale, and exact in the cell's dtype."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from oneblock.workloads._workload import Arrays, Case, Common, Spec, Workload
from oneblock.workloads.ops.dtypes import dtype_of

Named = dict[str, np.ndarray]


def make_weights(workload: Workload, case: Case, dtype: str, seed: int) -> Named:
    """Everything that stays from call to call: weights, and tables such as RoPE's.

    Each array has a stream of its own, drawn from (seed, name), so that none depends on which others there are.
    """
    return _make(workload, case, dtype, seed, inputs=False)


def make_inputs(workload: Workload, case: Case, dtype: str, seed: int) -> Named:
    """What changes from call to call: x, and in decode the cache."""
    return _make(workload, case, dtype, seed, inputs=True)


def _make(workload: Workload, case: Case, dtype: str, seed: int, *, inputs: bool) -> Named:
    specs = {name: spec for name, spec in workload.specs(case).items() if spec.is_input is inputs}
    return {name: _draw(name, spec, case, seed).astype(dtype_of(dtype)) for name, spec in specs.items()}


def _draw(name: str, spec: Spec, case: Case, seed: int) -> np.ndarray:
    if spec.table is not None:
        return spec.table(case.config, case.T, case.S)
    drawn = _normal(name, spec.shape, seed)
    if spec.common is not None:
        _mix(drawn, spec.common, seed)
    drawn *= np.float32(spec.std)
    drawn += np.float32(spec.mean)
    return drawn


def _mix(drawn: np.ndarray, common: Common, seed: int) -> None:
    """Into (I, O), what it has in common with other arrays: a group of heads has the same."""
    by_head = drawn.reshape(len(drawn), common.heads, -1, common.width)
    part = by_head[: common.rows, :, :, slice(*common.columns)]
    stream = _normal(common.stream, (*part.shape[:2], 1, part.shape[3]), seed)
    part *= np.float32((1.0 - common.share) ** 0.5)
    part += np.float32(common.share**0.5) * stream


def _normal(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    stream = np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
    return np.random.Generator(stream).standard_normal(shape, dtype=np.float32)


def sha256_of(arrays: Named) -> str:
    """One hash of arrays: of their names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def abstract_arrays(workload: Workload, case: Case, dtype: str) -> Arrays:
    """Arrays of a workload's shapes and dtypes that take no memory: NumPy's, of zero strides."""
    nothing = np.zeros((), dtype_of(dtype))
    return {name: np.broadcast_to(nothing, spec.shape) for name, spec in workload.specs(case).items()}
