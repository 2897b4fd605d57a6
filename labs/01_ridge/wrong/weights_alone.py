# decode_mb: weights_alone
"""A decode reads weights."""


def answer(shape, artifact):
    """And nothing else."""
    C, ND, KD = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"]
    return 2 * (C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * shape["F"]) / 1e6
