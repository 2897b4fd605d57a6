# threads_gfx942: as_nvidia
"""A warp has 32 threads."""


def answer(shape, artifact):
    """Whoever made the chip."""
    return 32 * shape["warps"]
