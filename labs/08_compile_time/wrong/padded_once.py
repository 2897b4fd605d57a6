# powers_padded: distinct
"""A length that comes again costs nothing again."""


def answer(shape, artifact):
    """Each length once."""
    return sum(max(16, 1 << (length - 1).bit_length()) - length for length in set(shape["today"]))
