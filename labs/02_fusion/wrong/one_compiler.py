# barrier_tpu: as_on_cpu
"""XLA is XLA."""


def answer(shape, artifact):
    """What the CPU's compiler did."""
    cpu = artifact["jax_xla"]
    return cpu["barrier"]["fusions"] - cpu["chain"]["fusions"]
