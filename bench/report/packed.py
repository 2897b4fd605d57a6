"""Texts that wait for their place on the page: they repeat themselves, and compressed take a tenth."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

_CHARACTERS = 2**17  # are compressed at a time: enough to find what repeats, and few to have open


class Packed:
    """Texts one after another, each added once and read in the same order, as pieces that may hold several."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._packed: list[bytes] = []
        self._open: list[str] = []
        self._length = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Put a text behind the others."""
        self._open.append(text)
        self._length += len(text)
        if self._length >= _CHARACTERS:
            self._packed.append(zlib.compress("".join(self._open).encode(errors="surrogatepass"), 1))
            self._open, self._length = [], 0

    def __iter__(self) -> Iterator[str]:
        for piece in self._packed:
            yield zlib.decompress(piece).decode(errors="surrogatepass")
        yield "".join(self._open)
