# decode_mb: cache_once
"""The cache is read, and nobody hands it back."""


def answer(shape, artifact):
    """Weights and the cache once."""
    C, ND, KD = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"]
    weights = C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * shape["F"]
    return 2 * (weights + 2 * shape["S"] * KD) / 1e6
