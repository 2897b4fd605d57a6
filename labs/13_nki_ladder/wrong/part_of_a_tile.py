# other_mib: fractions
"""Tiles divided as if they had no last one."""


def answer(shape, artifact):
    """With fractions of reads."""
    M, K, N = shape["M2"], shape["K"], shape["N2"]
    return (K * M * N / 512 + K * N * M / 128 + M * N) * 2 / 2**20
