"""Triton's texts made fit to be kept: the same wherever the project is installed, and without what nobody reads."""

from __future__ import annotations

import re

# Not by where this project lies: Triton's own cache gives what it compiled from a copy that lay elsewhere.
_PLACE = re.compile(
    r"""(?<=["'])/[^"'\n]*/(?=(?:(?<!backends/kernels/)triton|torch|backends/kernels|backends/_triton|tests)[/"'])"""
)
_DEBUG_SECTION = re.compile(
    r"^\s*\.section\s+\.debug_\w+.*?(?=^\s*\.section\s+(?!\.debug_)|\Z)", re.MULTILINE | re.DOTALL
)


def canonical(text: str) -> str:
    """Source files as "backends/kernels/triton/linear.py", and a library's as "triton/language/standard.py"."""
    return _PLACE.sub("", text)


def without_debug(assembly: str) -> str:
    """Assembly without the sections that only a debugger reads, in which paths stand letter by letter."""
    return _DEBUG_SECTION.sub("", assembly)
