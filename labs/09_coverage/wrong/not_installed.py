# half_status: unavailable
"""Something of Neuron is not installed."""


def answer(shape, artifact):
    """For want of a package."""
    return "unavailable"
