# break_even: saves_all
"""What a call took is saved."""


def answer(shape, artifact):
    """Over the time before."""
    return 1000 * shape["searched"] * shape["trial_s"] / shape["before"]
