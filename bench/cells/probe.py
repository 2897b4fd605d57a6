"""What a backend declares, and what it has for a platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oneblock.backends.api.backend import Bisectable, Tunable
from oneblock.backends.api.export import Exporter, ModuleTaker, TrnEmitter
from oneblock.backends.api.scripts import ScriptRunner
from oneblock.compilers.api.kind import Kind

CAPABILITIES = (Tunable, Bisectable, ScriptRunner, Exporter, ModuleTaker, TrnEmitter)  # what a command may ask for


@dataclass(frozen=True)
class Declared:
    """What a third party's backend declares, told by a process of its own: the command never imports it."""

    backend: str
    reason: str | None = None  # why it declares nothing
    hint: str | None = None
    ops_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # each with the operations that it replaces
    capabilities: tuple[str, ...] = ()  # those of CAPABILITIES that it has, by name
    forms: tuple[str, ...] = ()  # in which it exports programs
    # Of each ops set what its outcomes depend on beside versions, as `Fingerprinted` has it.
    fingerprints: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


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
