# unit: bytes_are_loads
"""A decode waits for bytes, so what loads is busy."""


def answer(shape, artifact):
    """The slot that loads."""
    return "VLOAD"
