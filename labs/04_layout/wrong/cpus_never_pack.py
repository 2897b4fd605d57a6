# packed_kib: numbers
"""A CPU has no tiles."""


def answer(shape, artifact):
    """The numbers alone."""
    return shape["R"] * shape["C"] * shape["bytes"] / 1024
