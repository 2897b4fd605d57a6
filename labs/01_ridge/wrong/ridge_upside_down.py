# ridge: upside_down
"""Bytes over FLOPs."""


def answer(shape, artifact):
    """In the same units."""
    flops, read = {"v4": (275, 1228), "v5e": (197, 819), "v5p": (459, 2765), "v6e": (918, 1638)}[shape["chip"]]
    return read / flops / 1000
