# cpu_kib: lines
"""A row begins a cache line."""


def answer(shape, artifact):
    """Rows rounded up to 64 bytes."""
    line = 64 // shape["bytes"]
    return shape["R"] * -(-shape["C"] // line) * line * shape["bytes"] / 1024
