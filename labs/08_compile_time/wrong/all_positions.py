# powers_padded: computed
"""What is computed taken for what is added."""


def answer(shape, artifact):
    """Lengths of buckets, summed."""
    return sum(max(16, 1 << (length - 1).bit_length()) for length in shape["today"])
