# exchange_kib: a_share
"""Each chip has one part of the columns."""


def answer(shape, artifact):
    """A share of the width."""
    return shape["T2"] * shape["C2"] * 2 / shape["n2"] / 1024
