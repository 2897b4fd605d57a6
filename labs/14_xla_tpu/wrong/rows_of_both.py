# split: rearranged
"""The first axis of each."""


def split():
    """Rows of both."""
    return ("chips", None), ("chips", None)
