# split: whole
"""The second is small enough."""


def split():
    """One of both is split."""
    return (None, "chips"), (None, None)
