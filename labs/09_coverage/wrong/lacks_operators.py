# why_import: operators
"""An importer lacks operators."""


def answer(shape, artifact):
    """As the other importer."""
    return "operators"
