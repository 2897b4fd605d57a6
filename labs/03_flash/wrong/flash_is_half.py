# flash_mb: half
"""Flash attention taken for a smaller format of scores."""


def answer(shape, artifact):
    """Scores in bfloat16."""
    return 2e-6 * shape["H"] * shape["S"] ** 2
