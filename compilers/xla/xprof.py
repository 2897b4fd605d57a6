"""How long programs ran on a device, from a profile that XProf took there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_MODULES = "XLA Modules"  # the line of a device's plane with one event for each run of a program


def module_seconds(planes: Iterable[Any], program: str, device: str = "/device:TPU:0") -> list[float]:
    """The seconds of each run of `program` ("jit_block") on a device, in the order in which they began.

    `planes` are those of `jax.profiler.ProfileData`: planes of lines of events, with names and nanoseconds.
    """
    events = [
        event
        for plane in planes
        if plane.name == device
        for line in plane.lines
        if line.name == _MODULES
        for event in line.events
        if event.name.split("(")[0] == program
    ]
    return [event.duration_ns * 1e-9 for event in sorted(events, key=lambda event: event.start_ns)]
