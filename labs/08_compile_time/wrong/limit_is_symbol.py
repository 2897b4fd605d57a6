# what_limits: symbol
"""Fewer graphs than lengths: a symbol."""


def answer(shape, artifact):
    """The distractor."""
    return "symbol"
