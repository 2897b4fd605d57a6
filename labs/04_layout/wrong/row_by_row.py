# nki_instructions: a_row_each
"""A row, an instruction."""


def answer(shape, artifact):
    """As a scalar loop."""
    return shape["R"]
