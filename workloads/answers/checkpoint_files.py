"""The files of a checkpoint, which are somebody else's: opened with care, and named where something is wrong."""

from __future__ import annotations

import json
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from oneblock.workloads.gguf.header import GgufError
from oneblock.workloads.gguf.tensors import opened_gguf

FLOAT8 = "F8_E4M3"
INDEX_LIMIT_BYTES = 100_000_000  # as much as safetensors allows a header; the index of a 1 TB model has about 10 MB


class CheckpointError(ValueError):
    """Why a checkpoint cannot be used, as a sentence for the person who named it."""


class Stored(Protocol):
    """A tensor of a checkpoint's file, not read yet."""

    def get_dtype(self) -> str:
        """What its numbers are stored as: "BF16", "Q4_K"."""

    def get_shape(self) -> Sequence[int]:
        """A projection's (out, in)."""

    def __getitem__(self, part: Any) -> np.ndarray:
        """The numbers of all of it, `...`, or of a part (O, ...)."""


class TensorFile(Protocol):
    """A checkpoint's file: what each kind of them can be asked."""

    @property
    def architecture(self) -> str:
        """What it says its model is; empty where it says nothing."""

    @property
    def types(self) -> Sequence[str]:
        """What may be stored in such a file and is read by itself."""

    @property
    def names(self) -> Collection[str]:
        """The names of its tensors."""

    def get_slice(self, name: str) -> Stored:
        """One of its tensors."""


@dataclass(frozen=True)
class _SafetensorsFile:
    path: Path
    file: Any
    architecture: ClassVar[str] = ""
    types: ClassVar[Sequence[str]] = ("F64", "F32", "F16", "BF16")  # float8 and integers need scales beside them

    @property
    def names(self) -> Collection[str]:
        return list(self.file.keys())

    def get_slice(self, name: str) -> Stored:
        found: Stored = self.file.get_slice(name)
        return _Float8(self.path, name, found) if found.get_dtype() == FLOAT8 else found


@dataclass(frozen=True)
class _Float8:
    """A tensor of a type that NumPy has no name for, so that safetensors gives no array of it."""

    path: Path
    name: str
    stored: Stored

    def get_dtype(self) -> str:
        return self.stored.get_dtype()

    def get_shape(self) -> Sequence[int]:
        return self.stored.get_shape()

    def __getitem__(self, part: Any) -> np.ndarray:
        with self.path.open("rb") as file:  # the header is one that safetensors has checked
            length = int.from_bytes(file.read(8), "little")
            first, last = json.loads(file.read(length))[self.name]["data_offsets"]
            file.seek(8 + length + first)
            raw = np.frombuffer(file.read(last - first), ml_dtypes.float8_e4m3fn)
        return np.asarray(raw.reshape(self.get_shape())[part])


def files_by_tensor(path: Path) -> dict[str, Path]:
    """Which file holds each tensor: all the same one, or as the index of a sharded checkpoint says."""
    if path.suffix == ".json":
        return {tensor: path.parent / shard for tensor, shard in _weight_map(path).items()}
    with opened(path) as tensors:
        return dict.fromkeys(tensors.names, path)


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
def opened(path: Path) -> Iterator[TensorFile]:
    """A `.safetensors` or `.gguf` file, its tensors by name; CheckpointError where it is none."""
    _size_bytes(path)
    if path.suffix == ".gguf":
        try:
            yield opened_gguf(path)
        except GgufError as error:
            raise CheckpointError(str(error)) from None
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
        return
    try:
        with safe_open(path, framework="numpy") as tensors:
            yield _SafetensorsFile(path, tensors)
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
