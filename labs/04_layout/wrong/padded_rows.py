# tiled: rows
"""Padding is all that a tile is."""

import numpy as np


def tiled(x):
    """Row by row."""
    whole = np.pad(x, ((0, -x.shape[0] % 8), (0, -x.shape[1] % 128)))
    return whole.ravel()
