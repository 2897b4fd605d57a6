# why_idle: bytes
"""A tile is loaded whole."""


def answer(shape, artifact):
    """Bytes for 128 rows."""
    return "bytes"
