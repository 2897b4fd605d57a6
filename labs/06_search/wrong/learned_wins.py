# winner: learned
"""Learning beats luck."""


def answer(shape, artifact):
    """The distractor."""
    return "learned"
