# draws: expected
"""One in a hundred: after a hundred."""


def answer(shape, artifact):
    """The mean of a geometric distribution."""
    return 100 / shape["share"]
