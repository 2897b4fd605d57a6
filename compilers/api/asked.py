"""Releases that were asked for by their versions: what a maker would pair otherwise is then tried as it is."""

from __future__ import annotations

import os

ASKED = "ONEBLOCK_ASKED"  # "jax-0.10.2+libtpu-0.0.52", for this process and its workers


def asked() -> dict[str, str]:
    """Version by package; empty where whatever is installed is meant."""
    parts = (part.partition("-") for part in os.environ.get(ASKED, "").split("+"))
    return {name.replace("_", "-"): version for name, dash, version in parts if dash}
