"""What the kernels share: the arithmetic of blocks."""

from __future__ import annotations

LANES = 128  # a vector register's minor axis; narrower arrays are padded to it
SUBLANES = 16  # rows that a tile of 16-bit elements has; of 32-bit ones it has half


def round_up(n: int, to: int) -> int:
    """The least multiple of `to` that is no less than n."""
    return -(-n // to) * to


def fitting(n: int, most: int, multiple: int) -> int:
    """The size of a block along an axis of n: as few as fit in `most`, evenly filled, in multiples."""
    most = max(multiple, most // multiple * multiple)
    blocks = -(-n // most)
    return round_up(-(-n // blocks), multiple)
