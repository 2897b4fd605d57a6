"""What the operations without a product share: rows in blocks, elements in blocks, and what moves when each is read and
written once.
"""

from __future__ import annotations

from typing import Any

from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work, config
from oneblock.workloads.ops.definitions import Array

BLOCKS = (config(4, 1, BLOCK=512), config(4, 1, BLOCK=1024), config(8, 1, BLOCK=4096))


def cdiv(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def padded(n: int) -> int:
    """The next power of two, of which a tile's sides are made."""
    return 1 << (n - 1).bit_length()


def rows_configs(width: int) -> tuple[Config, ...]:
    """A program for one row, or for more where they are narrow: up to 16384 elements, 64 to a thread."""
    most = max(1, 16384 // width)
    return tuple(config(8 if rows * width > 4096 else 4, 1, ROWS=rows) for rows in (1, 4, 16, 64) if rows <= most)


def streamed(elements: int, flops: float, reads: int, writes: int, itemsize: int, tile: int) -> Work:
    """The work of a kernel that reads `reads` operands of `elements` once, all of a tile at a time."""
    moved = float(elements * (reads + writes) * itemsize)
    return Work(flops, moved, float(tile * reads * itemsize))


def element_by_element(runner: Runner, kernel: Any, operands: tuple[Array, ...], flops: float) -> Array:
    """Operands (..., F) of one shape -> (..., F), by a kernel of (operands, y, n, BLOCK); `flops` of each element."""
    flat, n = [x.reshape(-1) for x in operands], operands[0].numel()
    y = runner.empty((n,), flat[0])
    runner.launch(
        KernelCall(
            kernel,
            BLOCKS,
            args=lambda config: (*flat, y, n),
            grid=lambda config: (cdiv(n, config["BLOCK"]),),
            work=lambda config: streamed(n, flops * n, len(flat), 1, flat[0].element_size(), config["BLOCK"]),
        )
    )
    return y.reshape(operands[0].shape)
