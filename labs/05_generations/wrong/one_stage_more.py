# most_stages: one_in_registers
"""One stage is in registers."""


def answer(shape, artifact):
    """By Ampere's rule, with Hopper's memory."""
    return 227 * 1024 // (2 * shape["BK2"] * (shape["BM2"] + shape["BN2"])) + 1
