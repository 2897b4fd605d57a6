# int8_tokens: as_bfloat16
"""The math is bfloat16, so the ridge is."""


def answer(shape, artifact):
    """That of bfloat16 weights."""
    flops, read = {"v4": (275, 1228), "v5e": (197, 819), "v5p": (459, 2765), "v6e": (918, 1638)}[shape["chip2"]]
    return 1000 * flops / read
