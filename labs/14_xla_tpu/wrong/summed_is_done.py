# ring_kib: once
"""After n-1 turns all is summed."""


def answer(shape, artifact):
    """And nobody else is told."""
    return (shape["n3"] - 1) / shape["n3"] * shape["T3"] * shape["C3"] * 2 / 1024
