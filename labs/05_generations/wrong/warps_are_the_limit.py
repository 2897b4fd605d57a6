# limit: warps
"""An SM has room for 64 warps, and that is it."""


def answer(shape, artifact):
    """The distractor."""
    return "warps"
