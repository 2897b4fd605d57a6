# found_at: the_last
"""A search ends with its best."""


def answer(shape, artifact):
    """The last trial."""
    return shape["trials"]
