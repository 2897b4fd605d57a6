# tokens: weights_alone
"""T tokens share a weight, and nothing else moves."""


def answer(shape, artifact):
    """The ridge."""
    flops, read = {"v4": (275, 1228), "v5e": (197, 819), "v5p": (459, 2765), "v6e": (918, 1638)}[shape["chip2"]]
    return 1000 * flops / read
