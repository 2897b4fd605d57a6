# cache_written: whole
"""What is given back was written."""


def answer(shape, artifact):
    """All of it."""
    return "whole"
