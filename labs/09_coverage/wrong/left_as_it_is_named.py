# how_refused: taken
"""PyTorch exports it, so TVM imports it."""


def answer(shape, artifact):
    """No refusal."""
    return "taken"
