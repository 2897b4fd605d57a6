# best_padded: equal_steps
"""Buckets at equal distances."""


def answer(shape, artifact):
    """Steps of the longest over their number."""
    most, longest = shape["most"], max(shape["tomorrow"])
    sizes = [-(-longest * (n + 1) // most) for n in range(most)]
    return sum(min(size for size in sizes if size >= length) - length for length in shape["tomorrow"])
