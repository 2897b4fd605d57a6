# why_scratch: vmem
"""VMEM is large."""


def answer(shape, artifact):
    """Nothing goes to HBM."""
    return "vmem"
