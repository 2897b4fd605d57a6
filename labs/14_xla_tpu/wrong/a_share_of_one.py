# mxu_percent: a_share
"""Copied as the artifact has it."""


def answer(shape, artifact):
    """Not in percent."""
    return artifact["xla_tpu"]["prefill"]["mlp_kernel"]["slots"]["MXU"] if "xla_tpu" in artifact else 1.0
