# returned_cpu: free
"""It is computed anyway, so returning it costs nothing."""


def answer(shape, artifact):
    """No fusion more."""
    return 0
