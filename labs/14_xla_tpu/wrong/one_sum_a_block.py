# exchanges: one_a_block
"""The block's output is summed, once."""


def answer(shape, artifact):
    """At its end."""
    return 1
