# powers_compiled: whole_ladder
"""Every power of two up to the longest has a program."""


def answer(shape, artifact):
    """Used or not."""
    return (max(shape["today"]) - 1).bit_length() - 3
