# int8_context: weights_too
"""int8 means the whole model."""


def answer(shape, artifact):
    """Half of the weights, too."""
    if "xla_tpu" not in artifact:
        return 1
    left = artifact["xla_tpu"]["available_bytes"][shape["chip2"]] - shape["W"] // 2
    return left // (shape["B2"] * 2 * shape["L"] * shape["K"] * shape["D"])
