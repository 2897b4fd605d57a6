# search: too_many
"""The best is found by trying everything."""

from itertools import product


def search(cost, space, trials, seed):
    """All tiles."""
    tiles = product(space["i"], space["j"], space["k"])
    return min(({"i": i, "j": j, "k": k, "unroll": (512,), "apart": (1,)} for i, j, k in tiles), key=cost)
