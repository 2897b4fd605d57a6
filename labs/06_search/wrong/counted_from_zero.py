# found_at: from_zero
"""As Python counts."""


def answer(shape, artifact):
    """The index."""
    costs = artifact["tvm_relax"]["learned_0"] if "tvm_relax" in artifact else [1]
    return costs.index(min(costs))
