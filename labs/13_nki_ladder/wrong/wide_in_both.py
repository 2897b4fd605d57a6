# tiled_mib: both
"""A wide tile taken for a large one."""


def answer(shape, artifact):
    """Both operands read less often."""
    M, K, N = shape["M"], shape["K"], shape["N"]
    return (K * M * N / 512 + K * N * M / 512 + M * N) * 2 / 2**20
