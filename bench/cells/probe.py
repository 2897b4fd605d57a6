"""What one backend has for one platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class PlatformProbe:
    """What one backend has for one platform."""

    backend: str
    platform: str
    device: str | None  # None: nothing, for the reason
    kind: Kind | None
    reason: str | None
    hint: str | None
    ops_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # each with the operations that it replaces
    dtypes: tuple[str, ...] = ()
    compiles_for: tuple[str, ...] = ()  # targets of the platform, without a device
    interprets_for: tuple[str, ...] = ()  # the same, whose kernels an interpreter or a simulator runs
    target: str | None = None  # of a pair that was asked for

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """All that it has something to say of without a device."""
        return (*self.compiles_for, *self.interprets_for)
