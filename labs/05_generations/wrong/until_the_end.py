# first_text: machine_code
"""One IR until instructions are chosen."""


def answer(shape, artifact):
    """The distractor."""
    return "ptx"
