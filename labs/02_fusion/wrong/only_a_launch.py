# what_it_costs: launch
"""A fusion more is a launch more."""


def answer(shape, artifact):
    """The distractor."""
    return "launch"
