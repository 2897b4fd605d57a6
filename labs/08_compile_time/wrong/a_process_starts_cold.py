# tomorrow_compiled: all_again
"""Another process knows nothing."""


def answer(shape, artifact):
    """As many as there are lengths."""
    return len(set(shape["tomorrow"]))
