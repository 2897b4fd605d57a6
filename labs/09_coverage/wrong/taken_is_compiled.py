# handed_sum: none
"""No refusal, so XLA compiled it."""


def answer(shape, artifact):
    """No routine of others."""
    return 0
