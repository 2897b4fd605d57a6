"""What a GPU's own clock, counters and sensors say of a program; importing this folder imports no toolchain."""

from __future__ import annotations
