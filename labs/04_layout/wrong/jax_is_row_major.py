# why_order: given
"""JAX prints strides of NumPy."""


def answer(shape, artifact):
    """The order of the text."""
    return "given"
