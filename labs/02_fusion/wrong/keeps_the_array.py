# temp_bytes: whole
"""The normalised array has to be somewhere."""


def answer(shape, artifact):
    """An array (T, C)."""
    return 4 * shape["T"] * shape["C"]
