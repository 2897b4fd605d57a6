# differs: bundles_alone
"""HLO is high-level, so it is portable."""


def answer(shape, artifact):
    """No text above the machine."""
    return "none"
