# elsewhere: no_device
"""There is no such device here."""


def answer(shape, artifact):
    """No target."""
    return 0
