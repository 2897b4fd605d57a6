# blocked_mib: summed_in_hbm
"""Sums taken to be kept in HBM between blocks."""


def answer(shape, artifact):
    """The answer is written and read back."""
    return (shape["M"] * shape["K"] + shape["K"] * shape["N"] + 2 * shape["M"] * shape["N"]) * 2 / 2**20
