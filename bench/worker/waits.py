"""How long this process waited for a core: on Linux the kernel tells it of each thread."""

from __future__ import annotations

import os
from contextlib import suppress

_TASKS = "/proc/self/task"


def waited_s() -> float | None:
    """The seconds that threads of this process were ready to run and did not, so far; None where nothing tells."""
    total, told = 0, False
    with suppress(OSError):
        for task in os.listdir(_TASKS):
            with suppress(OSError, IndexError, ValueError):  # a thread may end between two looks
                with open(f"{_TASKS}/{task}/schedstat", "rb") as file:
                    total += int(file.read().split()[1])
                told = True
    return total * 1e-9 if told else None
