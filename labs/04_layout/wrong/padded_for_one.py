# vocabulary: one_chip
"""50257 becomes 50304."""


def answer(shape, artifact):
    """A multiple of 128 for the whole."""
    return -shape["V2"] % 128
