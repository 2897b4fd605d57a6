# split: differs
"""The more axes are split, the less a chip holds."""


def split():
    """Both axes of the first."""
    return ("chips", "chips"), ("chips", None)
