# what_differs: method
"""Other curves, so another method."""


def answer(shape, artifact):
    """The distractor."""
    return "method"
