# available_gib: as_stated
"""Copied from the page of the chip."""


def answer(shape, artifact):
    """What its maker states, in GiB."""
    return {"v4": 32, "v5e": 16, "v5p": 95, "v6e": 32}[shape["chip2"]]
