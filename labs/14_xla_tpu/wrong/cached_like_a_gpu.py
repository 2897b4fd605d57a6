# why_first: cache
"""As on a GPU: a second call hits the cache."""


def answer(shape, artifact):
    """L2 did it."""
    return "cache"
