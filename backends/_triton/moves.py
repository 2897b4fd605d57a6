"""What each launch of a recorded program moves: read off the arrays that it is given, whatever its kernel declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves
from triton.tools.tensor_descriptor import TensorDescriptor

from oneblock.compilers.api.traffic import Direction


class Move(NamedTuple):
    """An array that one launch reads whole or writes whole, once; what it reads again is in the caches' stead."""

    array: str
    direction: Direction
    bytes: int


class ArrayNames:
    """The names of a program's arrays without data (device "meta"), by their storage."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._unwritten: set[int] = set()
        self._kept: list[torch.Tensor] = []  # so that no storage is freed, and its number given to another

    def given(self, arrays: Mapping[str, torch.Tensor]) -> None:
        """The arrays (...) that the program starts with."""
        for name, x in arrays.items():
            self._names[self._number(x)] = name

    def allocated(self, x: torch.Tensor) -> None:
        """Memory (...) that nothing has written yet: the next launch that is given it writes it."""
        self._unwritten.add(self._number(x))

    def launched(self, number: int, args: Any, results: Any = ()) -> tuple[Move, ...]:
        """The moves of the `number`-th launch: `args` may nest, and `results` are those that it makes itself."""
        made = {self._number(x) for x in _tensors(results)}
        views = {(self._number(x), x.storage_offset(), x.shape): x for x in (*_tensors(args), *_tensors(results))}
        written = list(dict.fromkeys(key for key, *_ in views if key in made or key in self._unwritten))
        for i, key in enumerate(written):
            self._names.setdefault(key, f"result of launch {number}" + (f", {i}" if len(written) > 1 else ""))
            self._unwritten.discard(key)
        return tuple(
            Move(self._names.get(key, "a constant"), "written" if key in written else "read", touched_bytes(x))
            for (key, *_), x in views.items()
        )

    def _number(self, x: torch.Tensor) -> int:
        self._kept.append(x)
        return int(x.untyped_storage()._cdata)


def touched_bytes(x: torch.Tensor) -> int:
    """Of a view (...): elements that an expanded axis repeats count once."""
    return prod(int(n) for n, stride in zip(x.shape, x.stride(), strict=True) if stride) * int(x.element_size())


def _tensors(values: Any) -> Iterable[torch.Tensor]:
    bases = (value.base if isinstance(value, TensorDescriptor) else value for value in tree_leaves(values))
    return (value for value in bases if isinstance(value, torch.Tensor))
