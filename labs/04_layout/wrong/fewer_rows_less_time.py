# why_idle: nothing
"""One row is little work."""


def answer(shape, artifact):
    """No waste."""
    return "nothing"
