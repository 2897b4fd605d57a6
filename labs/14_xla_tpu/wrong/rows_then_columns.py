# split: summed_early
"""As if the weights were (out, in)."""


def split():
    """Rows of the first, columns of the second."""
    return ("chips", None), (None, "chips")
