# faster: newer
"""The newer chip's name."""


def answer(shape, artifact):
    """Without looking at a core's clock."""
    return "trn2"
