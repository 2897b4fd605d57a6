# position_kib: keys_alone
"""A cache of keys."""


def answer(shape, artifact):
    """Values are not thought of."""
    return 2 * shape["L"] * shape["K"] * shape["D"] / 1024
