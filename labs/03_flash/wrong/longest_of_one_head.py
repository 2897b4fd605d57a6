# longest: one_head
"""A head at a time."""


def answer(shape, artifact):
    """As if heads took turns."""
    return int((128 * 2**20 / 4) ** 0.5)
