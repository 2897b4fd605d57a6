# draws: linear
"""Each draw adds its chance."""


def answer(shape, artifact):
    """In proportion."""
    return shape["chance"] / shape["share"]
