# hoisted_mib: no_output
"""Only what is read was counted."""


def answer(shape, artifact):
    """The operands alone."""
    M, K, N = shape["M"], shape["K"], shape["N"]
    return (K * M + K * N * M / 128) * 2 / 2**20
