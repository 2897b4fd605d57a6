# sequences: no_weights
"""All memory is for caches."""


def answer(shape, artifact):
    """The weights are left out."""
    if "xla_tpu" not in artifact:
        return 1
    position = 4 * shape["L"] * shape["K"] * shape["D"] * shape["S2"]
    return artifact["xla_tpu"]["available_bytes"][shape["chip2"]] // position
