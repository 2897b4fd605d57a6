# unit: product_is_mxu
"""Products are what the matrix unit is for."""


def answer(shape, artifact):
    """Whatever the shape."""
    return "MXU"
