"""The tensors of a GGUF file as numbers, of which no more is read than is asked for."""

from __future__ import annotations

from collections.abc import KeysView
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads.gguf.blocks import PACKINGS, name_of, unpacked
from oneblock.workloads.gguf.header import GgufError, Header, TensorInfo, read_header


@dataclass(frozen=True)
class GgufTensor:
    """One tensor, not read yet, in the words of `safetensors`."""

    path: Path
    told: TensorInfo

    def get_dtype(self) -> str:
        """Its type: "Q4_K"."""
        return name_of(self.told.type)

    def get_shape(self) -> tuple[int, ...]:
        """Its shape, a projection's (out, in)."""
        return self.told.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The numbers of all of it, `...`, or of a slice of its first axis (O, ...), in float32."""
        shape, packing = self.told.shape, PACKINGS[self.told.type]
        first, last, _ = (slice(None) if rows is ... else rows).indices(shape[0])
        if len(shape) == 1:  # whose blocks may lie across the ends of a slice
            return self._read(0, self.told.bytes)[first:last]
        row = prod(shape[1:]) // packing.numbers * packing.bytes
        return self._read(first * row, (last - first) * row).reshape(last - first, *shape[1:])

    def _read(self, start: int, count: int) -> np.ndarray:
        raw = np.fromfile(self.path, np.uint8, count, offset=self.told.start + start)
        if raw.size != count:
            raise GgufError(f"{self.path}: changed while it was read: leave it as it is until the run ends")
        return unpacked(PACKINGS[self.told.type], raw)


@dataclass(frozen=True)
class GgufFile:
    """A file's header, and its tensors by name."""

    path: Path
    header: Header
    types = tuple(packing.name for packing in PACKINGS.values())  # those that are read

    @property
    def architecture(self) -> str:
        """What llama.cpp calls its model: "llama"."""
        return str(self.header.metadata.get("general.architecture"))

    @property
    def names(self) -> KeysView[str]:
        """The names of its tensors."""
        return self.header.tensors.keys()

    def get_slice(self, name: str) -> GgufTensor:
        """One of its tensors."""
        return GgufTensor(self.path, self.header.tensors[name])


def opened_gguf(path: Path) -> GgufFile:
    """A file, its header read and held against its size; GgufError says what is wrong with it."""
    try:
        about = path.stat()
    except (OSError, ValueError) as error:
        raise GgufError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    return GgufFile(path, _header(path, (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)))


@lru_cache(maxsize=4)
def _header(path: Path, state: tuple[int, ...]) -> Header:
    """The header of a file in one state of it: a layer has ten tensors, and a header half a million tokens."""
    return read_header(path)
