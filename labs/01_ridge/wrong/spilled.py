# why_written: spilled
"""What is written must be what did not fit."""


def answer(shape, artifact):
    """The distractor."""
    return "spilled"
