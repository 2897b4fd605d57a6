# first_mb: nothing
"""A program starts with nothing on the chip."""


def answer(shape, artifact):
    """No call knows another."""
    return 0
