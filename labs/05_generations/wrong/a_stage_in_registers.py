# shared_sm_90: one_less
"""Ampere's rule, on Hopper."""


def answer(shape, artifact):
    """A stage less."""
    return 2 * (shape["stages"] - 1) * shape["BK"] * (shape["BM"] + shape["BN"])
