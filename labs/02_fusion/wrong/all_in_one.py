# chain_cpu: one
"""All operations of a chain are one kernel."""


def answer(shape, artifact):
    """One fusion."""
    return 1
