"""What the host can do for every backend: flush its caches."""

from __future__ import annotations

import numpy as np


class HostCache:
    """Evicts the CPU's caches by writing more than they hold."""

    def __init__(self) -> None:
        self._buffer = np.zeros(0, np.uint8)
        self._value = 0

    def flush(self, nbytes: int) -> None:
        """Write `nbytes` of memory."""
        if self._buffer.nbytes != nbytes:
            self._buffer = np.zeros(nbytes, np.uint8)
        self._value = (self._value + 1) % 256
        self._buffer.fill(self._value)
