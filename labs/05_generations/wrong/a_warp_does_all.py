# mma_sm_80: whole_tile
"""What is written is the work of a block."""


def answer(shape, artifact):
    """Products of a tile."""
    return shape["BM"] * shape["BN"] * shape["BK"] // 2048
