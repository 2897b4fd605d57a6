# unit_small: wgmma
"""Hopper multiplies by wgmma."""


def answer(shape, artifact):
    """The distractor."""
    return "wgmma"
