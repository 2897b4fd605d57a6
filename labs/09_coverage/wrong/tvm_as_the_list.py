# tvm_refused: as_listed
"""A missing operator is missing everywhere."""


def answer(shape, artifact):
    """What Neuron lacks."""
    if "neuron_list" not in artifact:
        return -1
    return sum(bool(lacking) for lacking in artifact["neuron_list"]["not_listed"].values())
