# why_parts: activation
"""A transcendental does not fuse."""


def answer(shape, artifact):
    """The distractor."""
    return "activation"
