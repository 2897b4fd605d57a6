# torch_graphs: two
"""From the second length on T is a symbol, whatever comes."""


def answer(shape, artifact):
    """One for the first, one for the rest."""
    return 2
