# most_registers: no_granule
"""Registers are given out one by one."""


def answer(shape, artifact):
    """Without granules."""
    return 512 // -(-shape["blocks"] * shape["warps"] // 4)
