# other_us: by_peak
"""A chip of so many more FLOP/s takes so much less."""


def answer(shape, artifact):
    """By the quotient of the peaks."""
    peak, read = {"v4": 275, "v5e": 197, "v5p": 459, "v6e": 918}, {"v5e": 819, "v5p": 2765, "v6e": 1638}
    microseconds = artifact["costs"]["decode"]["compulsory_bytes"] / read[shape["chip"]] / 1e3
    return microseconds * peak[shape["chip"]] / peak[shape["chip2"]]
