# ridge: prefixes
"""Tera over giga taken for one."""


def answer(shape, artifact):
    """As the numbers stand in the table."""
    flops, read = {"v4": (275, 1228), "v5e": (197, 819), "v5p": (459, 2765), "v6e": (918, 1638)}[shape["chip"]]
    return flops / read
