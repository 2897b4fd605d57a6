# search: never_asked
"""Who knows the machine needs no trial."""


def search(cost, space, trials, seed):
    """A schedule that ought to be good."""
    i, j = space["i"][-1], space["j"][-1]
    return {"i": i, "j": j, "k": space["k"][-1], "unroll": (512,), "apart": (1,)}
