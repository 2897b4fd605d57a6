"""How a block is laid over a mesh of devices: data-parallel along "dp", tensor-parallel along "tp".

Tensor-parallel as in Megatron-LM (Shoeybi et al. 2019): the projections into heads and into the feed-forward width are
split by columns, those out of them by rows, so that each half of the block ends in one sum over the devices.
"""

from __future__ import annotations

from math import prod

from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.target import Target
from oneblock.workloads._workload import Case


def check(case: Case, target: Target) -> None:
    """Unsupported, with the numbers, if the block does not divide over the target's mesh."""
    dp, tp = (target.axes.get(axis, 1) for axis in ("dp", "tp"))
    c = case.config
    if case.B % dp:
        raise Unsupported(f"{target} splits the batch over {dp} devices, and B={case.B} is not a multiple of {dp}")
    for what in ("heads", "kv_heads", "ffn_width", "shared_width"):
        if (n := getattr(c, what)) is not None and n % tp:
            raise Unsupported(f"{target} splits {what}={n} over {tp} devices: choose a tp that divides it")


def size(target: Target) -> int:
    """How many devices the target's mesh has; 1 without one."""
    return prod(target.axes.values())
