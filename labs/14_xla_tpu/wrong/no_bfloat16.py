# why_unit: type
"""The matrix unit was not used, so it could not be."""


def answer(shape, artifact):
    """By its type."""
    return "type"
