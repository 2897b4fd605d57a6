# head_percent: to_64
"""Heads come in multiples of 64."""


def answer(shape, artifact):
    """Rounded up to 64."""
    return 100 - 100 * shape["D2"] / (-(-shape["D2"] // 64) * 64)
