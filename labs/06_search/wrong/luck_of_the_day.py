# search: not_again
"""A seed is a detail."""

import random


def search(cost, space, trials, seed):
    """The best of so many draws, from whatever state the generator is in."""
    return min(({axis: random.choice(ways) for axis, ways in space.items()} for _ in range(trials)), key=cost)
