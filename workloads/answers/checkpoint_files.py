"""The files of a checkpoint, which are somebody else's: opened with care, and named where something is wrong."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

INDEX_LIMIT_BYTES = 100_000_000  # as much as safetensors allows a header; the index of a 1 TB model has about 10 MB


class CheckpointError(ValueError):
    """Why a checkpoint cannot be used, as a sentence for the person who named it."""


def files_by_tensor(path: Path) -> dict[str, Path]:
    """Which file holds each tensor: all the same one, or as the index of a sharded checkpoint says."""
    if path.suffix == ".json":
        return {tensor: path.parent / shard for tensor, shard in _weight_map(path).items()}
    with opened(path) as tensors:
        return dict.fromkeys(tensors.keys(), path)


def _weight_map(path: Path) -> dict[str, str]:
    if (size := _size_bytes(path)) > INDEX_LIMIT_BYTES:
        raise CheckpointError(f"{path}: expected an index of at most {INDEX_LIMIT_BYTES} bytes, got {size}")
    try:
        index = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a readable JSON file: {error}") from None
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise CheckpointError(f'{path}: expected {{"weight_map": {{tensor: file name}}}}, as Hugging Face writes it')
    for shard in set(shards.values()):
        # A downloaded index may not reach outside its folder, nor write control characters to a terminal.
        if not shard.isprintable() or shard in ("", ".") or ".." in shard or set(shard) & set("/\\:"):
            raise CheckpointError(f"{path}: expected plain file names of its own folder, got the shard {shard[:200]!r}")
    return shards


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A `.safetensors` file, its tensors by name; CheckpointError where it is none."""
    _size_bytes(path)
    try:
        with safe_open(path, framework="numpy") as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable .safetensors file: {str(error)[:200]!r}") from None


def _size_bytes(path: Path) -> int:
    """Of a regular file; to open a pipe would be to wait for ever."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()  # safetensors would call a lack of permission "No such file"
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if stat.S_ISDIR(status.st_mode):
        raise CheckpointError(f"{path}: is a folder; give the model.safetensors or model.safetensors.index.json in it")
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path}: expected a regular file, got a pipe, socket or device")
    return status.st_size
