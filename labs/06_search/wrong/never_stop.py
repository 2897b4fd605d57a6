# stop_at: never
"""More trials are better."""


def answer(shape, artifact):
    """All of them."""
    return shape["trials"]
