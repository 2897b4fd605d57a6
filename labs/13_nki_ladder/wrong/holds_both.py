# hoisted_mib: rhs_too
"""What is hoisted is one operand."""


def answer(shape, artifact):
    """Each matrix once."""
    return (shape["M"] * shape["K"] + shape["K"] * shape["N"] + shape["M"] * shape["N"]) * 2 / 2**20
