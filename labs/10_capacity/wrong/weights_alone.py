# chips: weights_alone
"""A model is as large as its weights."""


def answer(shape, artifact):
    """Whole chips for the weights."""
    if "xla_tpu" not in artifact:
        return 1
    return int(-(-2e9 * shape["P3"] // artifact["xla_tpu"]["available_bytes"][shape["chip2"]]))
