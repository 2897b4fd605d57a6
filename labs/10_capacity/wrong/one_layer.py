# position_kib: one_layer
"""The block has a cache, and the model is forgotten."""


def answer(shape, artifact):
    """Of one layer."""
    return 4 * shape["K"] * shape["D"] / 1024
