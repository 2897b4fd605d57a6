# chain_cpu: two
"""A kernel for the sums, and one for the rest."""


def answer(shape, artifact):
    """Two fusions."""
    return 2
