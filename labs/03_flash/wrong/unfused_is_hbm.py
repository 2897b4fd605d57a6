# crosses: always
"""What is not fused goes to HBM."""


def answer(shape, artifact):
    """Whatever its size."""
    return "yes"
