# gate: any
"""Most of it is taken."""


def answer(shape, artifact):
    """Lanes that take any."""
    need, found = shape["need"].split(), 0
    for lane in ("jax_xla", "xla_tpu"):
        found += lane in artifact and any(not artifact[lane]["operators"][name]["refused"] for name in need)
    found += "tvm_relax" in artifact and any(artifact["tvm_relax"][name] is None for name in need)
    listed = artifact.get("neuron_list", {"not_listed": dict.fromkeys(need, "all")})["not_listed"]
    return found + any(not listed[name] for name in need)
