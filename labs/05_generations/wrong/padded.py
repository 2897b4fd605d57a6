# why_shared: alignment
"""More bytes for the same tile: padding."""


def answer(shape, artifact):
    """The distractor."""
    return "alignment"
