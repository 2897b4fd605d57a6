# symbolic_compiled: one
"""One text is one program."""


def answer(shape, artifact):
    """One."""
    return 1
