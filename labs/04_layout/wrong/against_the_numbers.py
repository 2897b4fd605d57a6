# head_percent: of_the_numbers
"""So much is added."""


def answer(shape, artifact):
    """Padding over numbers."""
    return 100 * (128 - shape["D2"]) / shape["D2"]
