# ring_kib: whole
"""Each chip sends its array."""


def answer(shape, artifact):
    """Once, whole."""
    return shape["T3"] * shape["C3"] * 2 / 1024
