# scores_mb: one_head
"""S by S, and the heads forgotten."""


def answer(shape, artifact):
    """Of one head."""
    return 4e-6 * shape["S"] ** 2
