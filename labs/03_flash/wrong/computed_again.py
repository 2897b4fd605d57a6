# why: again
"""What is not in memory must be computed again."""


def answer(shape, artifact):
    """The distractor."""
    return "again"
