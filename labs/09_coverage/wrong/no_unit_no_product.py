# narrow_cpu: no_unit
"""A CPU has no unit for it."""


def answer(shape, artifact):
    """Not compiled."""
    return "no"
