# tvm_sum: the_taken
"""null is nothing."""


def answer(shape, artifact):
    """Those that were taken."""
    names, said = shape["operators"].split(), artifact.get("tvm_relax", {})
    return sum(2**n for n, name in enumerate(names) if said.get(name) is None)
