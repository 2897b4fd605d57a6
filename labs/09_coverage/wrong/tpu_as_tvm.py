# tpu_refused: as_tvm
"""An accelerator takes less than a CPU."""


def answer(shape, artifact):
    """What TVM refused."""
    if "tvm_relax" not in artifact:
        return -1
    return sum(said is not None for said in artifact["tvm_relax"].values())
