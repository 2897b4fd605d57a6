# spread: none
"""A search finds what there is."""


def answer(shape, artifact):
    """No spread."""
    return 1
