# tiled: down
"""Tiles as Fortran would have them."""

import numpy as np


def tiled(x):
    """One column of tiles after another."""
    whole = np.pad(x, ((0, -x.shape[0] % 8), (0, -x.shape[1] % 128)))
    return whole.reshape(whole.shape[0] // 8, 8, -1, 128).transpose(2, 0, 1, 3).ravel()
