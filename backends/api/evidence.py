"""Evidence that a GPU gives beside a time, as plain data that a record keeps. What is absent is None, and said why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar, Protocol, runtime_checkable

from oneblock.compilers.api.kind import STRICT

KERNELS = "profiler/kernels"  # the one timer that leaves out what passes between two kernels


@dataclass(frozen=True, slots=True)
class TimerReading:
    """One timer's raw seconds of single calls with warm caches; no samples: it gave none, for the reason in `note`."""

    __pydantic_config__: ClassVar[Any] = STRICT
    name: str  #: "cuda_event/blocked", "cuda_graph", "profiler/span", "profiler/kernels"
    samples_s: tuple[float, ...]
    note: str | None = None

    @property
    def seconds(self) -> float | None:
        """The median."""
        return median(self.samples_s) if self.samples_s else None


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What the device's sensors said while it worked."""

    __pydantic_config__: ClassVar[Any] = STRICT
    sm_mhz: int | None
    sm_max_mhz: int | None
    memory_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    throttled_by: tuple[str, ...] | None  #: empty: by nothing; None: not known
    notes: tuple[str, ...] = ()  #: why something is None


@dataclass(frozen=True, slots=True)
class Energy:
    """What the device's energy counter advanced by over a window of repeated calls, and what it draws without work."""

    __pydantic_config__: ClassVar[Any] = STRICT
    window_s: float  #: asked for
    seconds: float | None  #: it lasted
    calls: int
    joules: float | None
    idle_w: float | None  #: right after, without work
    note: str | None = None  #: why there are no joules

    @property
    def joules_per_call(self) -> float | None:
        """Whatever the device drew, over the calls; None where that is not known."""
        return None if self.joules is None or not self.calls else self.joules / self.calls

    @property
    def joules_per_call_above_idle(self) -> float | None:
        """The same without what the device would have drawn anyway."""
        if self.joules is None or self.idle_w is None or self.seconds is None or not self.calls:
            return None
        return (self.joules - self.idle_w * self.seconds) / self.calls


@dataclass(frozen=True, slots=True)
class DeviceEvidence:
    """Everything one process learnt of the device beside the series."""

    __pydantic_config__: ClassVar[Any] = STRICT
    before: DeviceState  #: the series
    after: DeviceState
    timers: tuple[TimerReading, ...]
    energy: Energy | None  #: None: the tier does not ask for it


@runtime_checkable
class Telemetry(Protocol):
    """Clocks, power, energy and a second timer: what an executable also has where the device tells them."""

    def state(self, args: Mapping[str, Any]) -> DeviceState:
        """Clocks, temperature, power and throttling, read amidst calls."""
        ...

    def timers(self, args: Mapping[str, Any]) -> tuple[TimerReading, ...]:
        """The same call by every timer there is, with warm caches. Last: a refused capture may leave a mess."""
        ...

    def energy(self, args: Mapping[str, Any], window_s: float) -> Energy:
        """The energy of calls repeated for so long."""
        ...
