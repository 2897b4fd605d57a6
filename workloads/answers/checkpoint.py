"""Weights of a workload from one layer of a checkpoint: `.safetensors` files in one of two namings, or a `.gguf` file.

A checkpoint is somebody else's file: whatever is wrong with it, the answer is a `CheckpointError`. Its header (lengths,
offsets, overlaps) is checked before anything else, and of 16 GB only the layer's own bytes are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase, Workload
from oneblock.workloads.answers.checkpoint_files import (
    FLOAT8,
    CheckpointError,
    Stored,
    TensorFile,
    files_by_tensor,
    opened,
)
from oneblock.workloads.answers.float8 import OF_ACTIVATIONS, has_scales, times_scales
from oneblock.workloads.answers.naming import Layer, layer_of
from oneblock.workloads.answers.places import Place, halves_of_pairs, part_of_heads, places_of, stored_shapes
from oneblock.workloads.models import Config
from oneblock.workloads.ops.dtypes import dtype_of


def fingerprint(path: Path, layer: int | None) -> str:
    """The SHA-256 of a checkpoint's file; of a sharded one, that of its index and of the shards that hold the layer.

    Without a layer, of all shards.
    """
    digest = hashlib.sha256()
    files = _files_of(path, layer)
    try:
        for file in files:
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


@contextmanager
def unchanged(path: Path, layer: int, sha256: str) -> Iterator[None]:
    """What is read of a checkpoint within is what its hash is of; CheckpointError if it is of another, or changed.

    A file put in the place of another has another inode, and one that is written to has another time of change.
    """
    before = _states(path, layer)
    yield
    found = fingerprint(path, layer)
    if found != sha256:
        raise CheckpointError(
            f"{path}: changed since it was named: expected the SHA-256 {sha256[:16]}..., got {found[:16]}..."
        )
    if _states(path, layer) != before:
        raise CheckpointError(f"{path}: changed while it was read: leave it as it is until the run ends")


def _states(path: Path, layer: int) -> list[tuple[int, ...]]:
    """Of the files of a layer what tells one from another that has its name later."""
    states: list[tuple[int, ...]] = []
    for file in _files_of(path, layer):
        try:
            about = file.stat()
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read: {error.strerror}") from None
        states.append((about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    return states


def _files_of(path: Path, layer: int | None) -> list[Path]:
    """The file of a checkpoint; of a sharded one its index and the shards of the layer or all, which can be read.

    What its index names may be a pipe, a device or a huge file of nothing, which to hash would take for ever.
    """
    each = files_by_tensor(path).items()
    files = {file for tensor, file in each if layer is None or f".{layer}." in f".{tensor}"}
    for shard in sorted(files - {path}):
        with opened(shard):
            pass
    return sorted({path, *files})


def load_weights(workload: Workload, case: Case, dtype: str, path: Path, layer: int) -> dict[str, np.ndarray]:
    """A layer's weights by name, each of its Spec's shape, a projection's (I, O); tables such as RoPE's are computed.

    CheckpointError says what is wrong with the file, or why it is no checkpoint of `case.config`: every tensor of the
    layer has a place in the block, or is named.
    """
    rounded = dtype_of(dtype)
    found = layer_of(path, case.config, layer)
    places = places_of(found.naming, stored_shapes(load("block"), case))
    found.all_have_a_place(places)
    weights = {}
    for name, spec in workload.specs(case).items():
        if spec.is_input:
            continue
        if spec.table is not None:
            weights[name] = spec.table(case.config, case.T, case.S).astype(rounded)
            continue
        place = places.get(name) or places_of(found.naming, {name: spec.shape}).get(name)
        if place is None:
            family = case.config.family
            raise CheckpointError(f"{name}: no tensor of a {family} checkpoint is known for it; use seeded weights")
        tensors = [found.root + tensor for tensor in place.tensors]
        each = [_read(found, tensor, place, case.config) for tensor in tensors]
        if found.naming.offset_norms and "norm" in name:
            each = [one.astype(np.float64) + 1.0 for one in each]
        if (stem := name.removesuffix("_weight").removesuffix("_bias")) in found.naming.neighbours:
            each = [halves_of_pairs(one, _heads(case.config, stem), case.config) for one in each]
        where = [f"{found.files[tensor]}: {tensor}" for tensor in tensors]
        parts = [rounded_to(one, rounded, told) for one, told in zip(each, where, strict=True)]
        weights[name] = np.stack(parts) if len(spec.shape) > len(place.shape) else parts[0]
    return weights


def negative_norms(config: Config, path: Path, layer: int) -> float:
    """The share of a layer's norm weights that are below zero, as few of a trained model's are."""
    found = layer_of(path, config, layer)
    places = places_of(found.naming, stored_shapes(load("block"), Case("block", config, Phase.PREFILL, 1, 1, 1)))
    norms = [place for name, place in places.items() if name.endswith("_weight") and "norm" in name]
    read = [_read(found, found.root + place.tensors[0], place, config).ravel() for place in norms]
    return float((np.concatenate(read) < 0).mean()) if read else 0.0


def _heads(config: Config, projection: str) -> int:
    """How many heads lie side by side in a projection; the keys of latent attention are the same for all."""
    return config.heads if projection.startswith("q") else 1 if config.latent else config.kv_heads


def check_layer(config: Config, path: Path, layer: int) -> None:
    """CheckpointError where a layer is not one of that configuration's block, by the headers of its files alone."""
    case = Case("block", config, Phase.PREFILL, 1, 1, 1)
    found = layer_of(path, config, layer)
    places = places_of(found.naming, stored_shapes(load(case.workload), case))
    found.all_have_a_place(places)
    for place in places.values():
        for tensor in (found.root + one for one in place.tensors):
            with opened(found.file_of(tensor)) as tensors:
                _stored(found, tensors, tensor, place, config)


def stored_as(config: Config, path: Path, layer: int) -> str:
    """How a layer's weights are stored, by the headers of its files: "F32, Q4_K", or "BF16, F8_E4M3 with scales"."""
    found = layer_of(path, config, layer)
    types, by_file = set[str](), dict[Path, list[str]]()
    for tensor in found.tensors:
        if tensor.endswith((".weight", ".bias")) and tensor.removeprefix(found.root) not in found.naming.ignored:
            by_file.setdefault(found.files[tensor], []).append(tensor)
    for file, names in by_file.items():
        with opened(file) as tensors:
            types |= {tensors.get_slice(name).get_dtype() for name in names if name in tensors.names}
    said = ", ".join(sorted(types)) + (" with scales" if FLOAT8 in types else "")
    unused = any(tensor.endswith(OF_ACTIVATIONS) for tensor in found.tensors)
    return said + ("; scales of activations are not applied" if unused else "")


def _stored(found: Layer, tensors: TensorFile, tensor: str, place: Place, config: Config) -> Stored:
    """A tensor of an opened file, not read yet; CheckpointError where it is of another shape or dtype."""
    file = found.files[tensor]
    expected = (*place.shape[:-2], *place.shape[-2:][::-1]) if found.naming.transposed else place.shape
    if tensor not in tensors.names:
        raise CheckpointError(f"{file}: the index says that {tensor} is here, and it is not")
    stored = tensors.get_slice(tensor)
    dtype, got = stored.get_dtype(), tuple(stored.get_shape())
    scaled = has_scales(found.files, tensor, stored)
    if dtype not in tensors.types and not (scaled and found.naming.transposed):  # by rows of (O, I), that is
        raise CheckpointError(f"{file}: {tensor}: expected {', '.join(tensors.types)}, got {dtype}; convert it first")
    if got != expected:
        what = f"expected shape {expected} for {config.name}, got {got}"
        raise CheckpointError(f"{file}: {tensor}: {what}; the preset or model must be that of the checkpoint")
    return stored


def _read(found: Layer, tensor: str, place: Place, config: Config) -> np.ndarray:
    """One of our arrays, (I, O) or (O,), and of experts that lie in one tensor (E, I, O), as it is stored."""
    with opened(found.file_of(tensor)) as tensors:
        stored: Any = _stored(found, tensors, tensor, place, config)
        if stored.get_dtype() == FLOAT8:
            stored = times_scales(found.files, tensor, stored)
        whole = place.columns.stop - place.columns.start == place.shape[-1]
        if found.naming.by_head and not whole:
            return part_of_heads(stored[...], place, config.heads)
        part: np.ndarray
        if not found.naming.transposed:
            part = stored[..., place.columns]
        elif len(place.shape) == 3:
            part = stored[...].swapaxes(-1, -2)
        else:
            part = stored[place.columns].T
        return part


def rounded_to(stored: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    """What is stored (...), in a dtype; CheckpointError where it is not finite, or no longer is."""
    with np.errstate(all="ignore"):  # NumPy's warnings, of overflow and of signalling NaNs, are said better here
        if bad := int((~np.isfinite(stored)).sum()):
            raise CheckpointError(f"{where}: {bad} of {stored.size} values are not finite; the checkpoint is broken")
        rounded = stored.astype(dtype, order="C")
        if np.isfinite(rounded).all():
            return rounded
    raise CheckpointError(f"{where}: {float(np.abs(stored).max()):.4g} is beyond {dtype}; choose another --dtype")
