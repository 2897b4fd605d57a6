# busiest_step: attention
"""Attention is what a long context costs."""


def answer(shape, artifact):
    """Whatever the MLP has."""
    return "attention"
