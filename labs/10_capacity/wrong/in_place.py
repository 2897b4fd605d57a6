# kept_mib: in_place
"""A token is written into the cache, as in NumPy."""


def answer(shape, artifact):
    """One cache."""
    return shape["B"] * shape["K"] * shape["S"] * shape["D"] * 2 / 2**20
