# barrier_cpu: breaks
"""A barrier is a barrier."""


def answer(shape, artifact):
    """One fusion more."""
    return 1
