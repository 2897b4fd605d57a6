# nki_instructions: rounded_down
"""128 rows an instruction."""


def answer(shape, artifact):
    """What is left over is forgotten."""
    return shape["R"] // 128
