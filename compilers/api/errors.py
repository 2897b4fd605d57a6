"""What any compiler may refuse a program for, in numbers."""

from __future__ import annotations

from oneblock.compilers.api.facts import Memory


class OutOfMemory(Exception):
    """The compiler found that the program does not fit; `memory` has its numbers."""

    def __init__(self, memory: Memory, words: str) -> None:
        super().__init__(_sentence(memory, words))
        self.memory = memory


def _sentence(memory: Memory, words: str) -> str:
    if memory.needed_bytes is None or memory.available_bytes is None:
        return words.splitlines()[0]
    needed, available = memory.needed_bytes / 2**30, memory.available_bytes / 2**30
    needs = f"needs {needed:.2f} GiB of {memory.space}, and {available:.2f} GiB are there"
    names = "; ".join(f"{b.bytes / 2**30:.2f} GiB {b.what}" for b in memory.largest[:3])
    return f"{needs}; largest: {names}" if names else needs
