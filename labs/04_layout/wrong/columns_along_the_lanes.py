# tpu_kib: as_written
"""As NumPy has it: the last axis is innermost."""


def answer(shape, artifact):
    """Rows to 8, columns to 128."""
    rows, columns = -(-shape["R"] // 8) * 8, -(-shape["C"] // 128) * 128
    return rows * columns * shape["bytes"] / 1024
