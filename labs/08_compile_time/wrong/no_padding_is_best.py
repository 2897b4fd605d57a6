# how_many: no_padding
"""No padding is the least."""


def answer(shape, artifact):
    """A bucket for each length."""
    return len(set(shape["tomorrow"]))
