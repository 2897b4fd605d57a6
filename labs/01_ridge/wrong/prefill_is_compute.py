# prefill_bound: prefill_is_compute
"""Prefill computes, decode reads."""


def answer(shape, artifact):
    """Whatever T is."""
    return "compute"
