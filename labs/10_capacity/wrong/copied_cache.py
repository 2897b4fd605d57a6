# why_twice: scratch
"""It is copied before it is written."""


def answer(shape, artifact):
    """A temporary."""
    return "scratch"
