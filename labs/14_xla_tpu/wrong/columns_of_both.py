# split: gathered
"""A linear layer is split by its outputs, as each is."""


def split():
    """Columns of both."""
    return (None, "chips"), (None, "chips")
