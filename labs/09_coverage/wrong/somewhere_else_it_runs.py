# why_half: machine
"""On a real device it would run."""


def answer(shape, artifact):
    """This machine is the reason."""
    return "machine"
