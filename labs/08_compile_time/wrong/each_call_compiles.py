# exact_compiled: every_call
"""JIT: compiled when it is called."""


def answer(shape, artifact):
    """As many as there are calls."""
    return len(shape["today"])
