# scratch_mb: each
"""Every MLP has its hidden array."""


def answer(shape, artifact):
    """Summed over MLPs."""
    return shape["n"] * shape["T"] * shape["F"] * 2 / 1e6
