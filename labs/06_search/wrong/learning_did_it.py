# when_learnt: learning
"""A learning search owes all to learning."""


def answer(shape, artifact):
    """The distractor."""
    return "after"
