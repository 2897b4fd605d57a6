"""Weights of a workload from one layer of a `.safetensors` checkpoint, in Hugging Face names.

A checkpoint is somebody else's file: whatever is wrong with it, the answer is a `CheckpointError`. `safetensors` checks
the header (lengths, offsets, overlaps) and maps the file, so that of 16 GB only the layer's own bytes are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase, Workload
from oneblock.workloads.answers.checkpoint_files import CheckpointError, files_by_tensor, opened
from oneblock.workloads.answers.places import Place, halves_of_pairs, part_of_heads, places_of, stored_shapes
from oneblock.workloads.models import FAMILIES, Config, Tensors
from oneblock.workloads.ops.dtypes import dtype_of

STORED = ("F64", "F32", "F16", "BF16")  # float8 and integers need scales that lie elsewhere in the file
# In the names of tensors, what tells of more than an architecture.
_SIGNS = {
    "lora_": "an adapter alone is no layer: merge it into its model first",
    "_scale": "scales of quantised weights, which are not read: convert it to bfloat16 first",
    ".qweight": "packed integers, which are not read: convert it to bfloat16 first",
    "attention.wq.": "Meta's or Mistral's own names (consolidated), whose rotation pairs neighbours: convert it with "
    "transformers",
}
# Around the names of a text model in one that sees, too (of older and newer transformers), or with an adapter merged.
_WRAPPED = ("language_model.{}", "model.language_model.", "model.text_model.", "base_model.model.{}")


def fingerprint(path: Path, layer: int) -> str:
    """The SHA-256 of a checkpoint's file; of a sharded one, that of its index and of the shards that hold the layer."""
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


def _files_of(path: Path, layer: int) -> list[Path]:
    """The file of a checkpoint; of a sharded one its index and the shards of the layer, which can be read.

    What its index names may be a pipe, a device or a huge file of nothing, which to hash would take for ever.
    """
    files = {file for tensor, file in files_by_tensor(path).items() if f".{layer}." in f".{tensor}"}
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
    naming, files = _tensors(case.config), files_by_tensor(path)
    root = _root(path, files, case.config, layer)
    places = places_of(naming, stored_shapes(load("block"), case))
    _all_have_a_place(path, root, files, places, naming)
    weights = {}
    for name, spec in workload.specs(case).items():
        if spec.is_input:
            continue
        if spec.table is not None:
            weights[name] = spec.table(case.config, case.T, case.S).astype(rounded)
            continue
        place = places.get(name) or places_of(naming, {name: spec.shape}).get(name)
        if place is None:
            family = case.config.family
            raise CheckpointError(f"{name}: no tensor of a {family} checkpoint is known for it; use seeded weights")
        names = [root + tensor for tensor in place.tensors]
        each = [_read(_file_of(path, files, tensor), tensor, place, case.config) for tensor in names]
        if name.removesuffix("_weight") in naming.neighbours:
            heads = case.config.heads if name.startswith("q") else 1  # of keys they are the same for all
            each = [halves_of_pairs(one, heads, case.config.rotated) for one in each]
        if naming.offset_norms and "norm" in name:
            each = [one.astype(np.float64) + 1.0 for one in each]
        parts = [_round(one, rounded, f"{files[tensor]}: {tensor}") for one, tensor in zip(each, names, strict=True)]
        weights[name] = np.stack(parts) if len(spec.shape) > len(place.shape) else parts[0]
    return weights


def check_layer(config: Config, path: Path, layer: int) -> None:
    """CheckpointError where a layer is not one of that configuration's block, by the headers of its files alone."""
    case = Case("block", config, Phase.PREFILL, 1, 1, 1)
    naming, files = _tensors(config), files_by_tensor(path)
    root = _root(path, files, config, layer)
    places = places_of(naming, stored_shapes(load(case.workload), case))
    _all_have_a_place(path, root, files, places, naming)
    for place in places.values():
        for tensor in (root + one for one in place.tensors):
            with opened(_file_of(path, files, tensor)) as tensors:
                _stored(tensors, files[tensor], tensor, place, config)


def _all_have_a_place(
    path: Path, root: str, files: Mapping[str, Path], places: Mapping[str, Place], naming: Tensors
) -> None:
    """CheckpointError names the tensors of a layer that the block has no place for: to drop one would be wrong."""
    known = {tensor for place in places.values() for tensor in place.tensors} | set(naming.ignored)
    left = sorted(tensor for tensor in files if tensor.startswith(root) and tensor.removeprefix(root) not in known)
    if left:
        shown = ", ".join(ascii(tensor)[1:-1][:80] for tensor in left[:4]) + (", ..." if len(left) > 4 else "")
        raise CheckpointError(f"{path}: {shown}: no place in the block: {_whose(root, left, naming)}")


def _whose(root: str, left: Sequence[str], naming: Tensors) -> str:
    """Whose tensors these are, as far as their names tell, and what to do about it."""
    for sign, what in _SIGNS.items():
        if any(sign in tensor for tensor in left):
            return what
    names = [tensor.removeprefix(root) for tensor in left]
    if all(naming.has(name) for name in names):
        return "its family has them, and this configuration has not: this is another architecture"
    others = [family for family, one in FAMILIES.items() if all(one.tensors.has(name) for name in names)]
    if others:
        return f"as in {', '.join(others)}: give --model its folder with the config.json"
    return "this is another architecture"


def _tensors(config: Config) -> Tensors:
    """How the checkpoints of a configuration's family name their tensors."""
    if config.family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise CheckpointError(f"{config.name}: expected a family of {known}, got {config.family!r}; use seeded weights")
    return FAMILIES[config.family].tensors


def _root(path: Path, files: Mapping[str, Path], config: Config, layer: int) -> str:
    """What the names of the layer's tensors begin with in this checkpoint."""
    naming = _tensors(config)
    for prefix in dict.fromkeys((naming.prefix, "", *(outer.format(naming.prefix) for outer in _WRAPPED))):
        root = f"{prefix}{naming.layers}.{layer}."
        if layer >= 0 and any(tensor.startswith(root) for tensor in files):
            return root
    if here := _layers(files, naming):
        raise CheckpointError(f"{path}: expected a layer among {here}, got {layer}")
    expected = (
        f"{path}: expected tensors named {naming.prefix}{naming.layers}.{layer}.* as in the {config.family} family"
    )
    if others := [other for other, theirs in FAMILIES.items() if _layers(files, theirs.tensors)]:
        raise CheckpointError(
            f"{expected}, got names as in {', '.join(others)}; choose a --preset of that family, or give --model the "
            "folder with its config.json"
        )
    raise CheckpointError(f"{expected}, got {len(files)} of other names, the first {min(files, default='')[:80]!r}")


def _layers(tensors: Iterable[str], naming: Tensors) -> str:
    pattern = re.compile(rf"({re.escape(naming.prefix)})?{naming.layers}\.(0|[1-9][0-9]{{0,5}})\.")
    found = sorted({int(match[2]) for match in map(pattern.match, tensors) if match})
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")


def _file_of(path: Path, files: Mapping[str, Path], tensor: str) -> Path:
    if tensor not in files:
        raise CheckpointError(f"{path}: no tensor {tensor}; if this is one shard of many, give their index.json")
    return files[tensor]


def _stored(tensors: Any, file: Path, tensor: str, place: Place, config: Config) -> Any:
    """A tensor of an opened file, not read yet; CheckpointError where it is of another shape or dtype."""
    expected = place.shape[::-1] if _tensors(config).transposed else place.shape
    if tensor not in tensors.keys():  # noqa: SIM118 - not a dict
        raise CheckpointError(f"{file}: the index says that {tensor} is here, and it is not")
    stored = tensors.get_slice(tensor)
    dtype, got = stored.get_dtype(), tuple(stored.get_shape())
    if dtype not in STORED:
        raise CheckpointError(f"{file}: {tensor}: expected {', '.join(STORED)}, got {dtype}; convert it first")
    if got != expected:
        what = f"expected shape {expected} for {config.name}, got {got}"
        raise CheckpointError(f"{file}: {tensor}: {what}; the preset or model must be that of the checkpoint")
    return stored


def _read(file: Path, tensor: str, place: Place, config: Config) -> np.ndarray:
    """One of our arrays, (I, O) or (O,), as it is stored."""
    naming = _tensors(config)
    with opened(file) as tensors:
        stored = _stored(tensors, file, tensor, place, config)
        whole = place.columns.stop - place.columns.start == place.shape[-1]
        if naming.by_head and not whole:
            return part_of_heads(stored[...], place, config.heads)
        if naming.transposed:
            part: np.ndarray = stored[place.columns].T
        else:
            part = stored[..., place.columns]
        return part


def _round(stored: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    with np.errstate(all="ignore"):  # NumPy's warnings, of overflow and of signalling NaNs, are said better here
        if bad := int((~np.isfinite(stored)).sum()):
            raise CheckpointError(f"{where}: {bad} of {stored.size} values are not finite; the checkpoint is broken")
        rounded = stored.astype(dtype, order="C")
        if np.isfinite(rounded).all():
            return rounded
    raise CheckpointError(f"{where}: {float(np.abs(stored).max()):.4g} is beyond {dtype}; choose another --dtype")
