# tvm_refused: none
"""A compiler compiles."""


def answer(shape, artifact):
    """No refusal."""
    return 0
