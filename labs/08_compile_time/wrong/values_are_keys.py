# why_again: value
"""Another number is another program."""


def answer(shape, artifact):
    """The distractor."""
    return "value"
