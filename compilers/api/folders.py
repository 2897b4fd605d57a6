"""The user's own folders, in which what was found out is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

_NOWHERE = Path(os.devnull) / "oneblock"  # nothing is below a file, and nothing can be kept there


def cache_folder() -> Path:
    """For what can be found out again. Who has no home, as a bare number in a container, finds and keeps nothing."""
    try:
        return user_cache_path("oneblock")
    except RuntimeError:
        return _NOWHERE


def data_folder() -> Path:
    """For what took long to find; without a home as above."""
    try:
        return user_data_path("oneblock")
    except RuntimeError:
        return _NOWHERE
