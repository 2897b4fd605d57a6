# mostly: cache
"""A decode waits for its cache."""


def answer(shape, artifact):
    """At any S."""
    return "cache"
