# blocks: shared_alone
"""Registers are plenty."""


def answer(shape, artifact):
    """By shared memory and warps."""
    if "triton_kernels" not in artifact:
        return 1
    taken = artifact["triton_kernels"][shape["chip"]]["shared_bytes"] + 1024
    return min({"sm_80": 164, "sm_90": 228}[shape["chip"]] * 1024 // taken, 64 // shape["warps"], 32)
