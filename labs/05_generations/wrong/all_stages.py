# shared_sm_80: as_hopper
"""Each stage has its room, everywhere."""


def answer(shape, artifact):
    """All stages."""
    return 2 * shape["stages"] * shape["BK"] * (shape["BM"] + shape["BN"])
