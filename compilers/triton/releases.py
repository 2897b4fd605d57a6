"""What moved between the releases of Triton that this runs with, where no call of its own tells it."""

from __future__ import annotations

import re

import triton


def release(version: str) -> tuple[int, ...]:
    """(major, minor) of a version."""
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


#: The first and the last that were tried.
FIRST, LAST = (3, 6), (3, 9)
_HERE = release(triton.__version__)

#: What Triton tells NVIDIA's assembler since 3.7, against a fault of ptxas 13.
ASSEMBLER_OPTIONS = ("--regAllocOptLevel=2",) if _HERE >= (3, 7) else ()
#: Whether its interpreter rounds x * y + z once in float32, as a GPU does.
ROUNDS_ONCE = _HERE >= (3, 9)
