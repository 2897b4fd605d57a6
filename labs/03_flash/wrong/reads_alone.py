# flash_least_mb: no_answer
"""q, k and v."""


def answer(shape, artifact):
    """What is read."""
    return 2e-6 * 3 * shape["H"] * shape["S2"] * shape["D"]
