# position_kib: query_heads
"""Every head has keys."""


def answer(shape, artifact):
    """As many as ask."""
    return 4 * shape["L"] * shape["N"] * shape["D"] / 1024
