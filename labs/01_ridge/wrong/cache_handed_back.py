# decode_mb: cache_twice
"""The cache is read, and handed back whole."""


def answer(shape, artifact):
    """Weights once and the cache twice."""
    C, ND, KD = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"]
    weights = C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * shape["F"]
    return 2 * (weights + 4 * shape["S"] * KD) / 1e6
