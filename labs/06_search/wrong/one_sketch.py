# space: one_sketch
"""One structure of loops."""


def ways(extent, many):
    """Ordered factors, the last 64 at the most."""
    if many == 1:
        return int(extent <= 64)
    return sum(ways(extent // n, many - 1) for n in range(1, extent + 1) if extent % n == 0)


def answer(shape, artifact):
    """Choices multiplied."""
    return 4 * ways(shape["M"], 4) * ways(shape["N"], 4) * ways(shape["K"], 2)
