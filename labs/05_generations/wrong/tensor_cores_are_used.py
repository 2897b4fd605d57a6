# unit_sm_75: mma
"""What a chip has, its compilers use."""


def answer(shape, artifact):
    """The distractor."""
    return "mma"
