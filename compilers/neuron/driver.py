"""The Neuron driver: which version, and which devices are here."""

from __future__ import annotations

import re
from pathlib import Path

from oneblock.compilers.chips import every
from oneblock.compilers.chips.chip import NeuronCore

DEVICE_FILES = Path("/dev")
VERSION = Path("/sys/module/neuron/version")
SYSFS = Path("/sys/devices/virtual/neuron_device")


def count() -> int:
    """How many Neuron devices this machine has."""
    return sum(re.fullmatch(r"neuron\d+", path.name) is not None for path in DEVICE_FILES.glob("neuron*"))


def version() -> str | None:
    """The version of the kernel's module; None where it is not loaded."""
    try:
        return VERSION.read_text().strip() or None
    except OSError:
        return None


def architecture() -> str | None:
    """The target that the first device here is of, e.g. "trn1"; None where the driver does not say it."""
    known = "|".join(re.escape(core.architecture) for core in every(NeuronCore))
    for path in sorted(SYSFS.glob("neuron*/info/architecture/instance_type")):
        said = re.match(known, path.read_text().strip().lower())
        if said is not None:
            return said[0]
    return None
