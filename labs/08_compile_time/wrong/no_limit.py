# fixed_graphs: each
"""Static shapes: a graph for each."""


def answer(shape, artifact):
    """As many as there are lengths."""
    return len(set(shape["today"]))
