# differs: jax_knows
"""JAX lowers for a device."""


def answer(shape, artifact):
    """From the first text that it hands over."""
    return "stablehlo"
