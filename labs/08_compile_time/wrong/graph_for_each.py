# torch_graphs: each
"""PyTorch does as XLA does."""


def answer(shape, artifact):
    """A graph for each length."""
    return len(set(shape["today"]))
