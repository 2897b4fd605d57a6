# bound: launch
"""Small programs wait for their launch."""


def answer(shape, artifact):
    """As on a GPU."""
    return "launch"
