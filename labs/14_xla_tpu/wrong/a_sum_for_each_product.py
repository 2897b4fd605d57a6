# exchanges: one_a_product
"""Every product is split, so every product is summed."""


def answer(shape, artifact):
    """Of q, k, v, proj and two of the MLP."""
    return 6
