# tomorrow_traces: new_ones
"""What is cached is not looked at again."""


def answer(shape, artifact):
    """Only what is new."""
    return len(set(shape["tomorrow"]) - set(shape["today"]))
