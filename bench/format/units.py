"""Seconds and bytes as people read them."""

from __future__ import annotations


def seconds(value: float) -> str:
    """A duration with three digits and its unit: "1.23 ms"."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value / scale < 999.5 else f"{value / scale:.0f} {unit}"
    return f"{value / 1e-9:.3g} ns"


def size(nbytes: float) -> str:
    """A size with three digits and its binary unit: "1.5 GiB"."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}" if nbytes / scale < 999.5 else f"{nbytes / scale:.0f} {unit}"
    return f"{nbytes:.0f} B"


def duration(seconds: float) -> str:
    """How long people wait: "41 s", "2 min 05 s", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
