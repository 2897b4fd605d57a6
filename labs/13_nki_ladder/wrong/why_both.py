# why_tiled: both
"""Wide tiles taken to save on both operands."""


def answer(shape, artifact):
    """The distractor."""
    return "both"
