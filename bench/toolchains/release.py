"""What one environment of releases came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oneblock.bench.records.record import WITHOUT_TIMES, Record, Status

Versions = Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """What one environment came to: the records of its cells, or the status that stands in their place, with why."""

    versions: Versions
    records: tuple[Record, ...] = ()
    status: Status | None = None  # None: its cells have their own
    reason: str | None = None
    hint: str | None = None
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # of a script, by case and figure

    @property
    def made(self) -> bool:
        """Whether there is anything to hold against another."""
        return bool(self.records or self.counts)

    @property
    def compiled(self) -> bool:
        """Whether any of its cells was compiled, or a script told counts."""
        return bool(self.counts) or any(one.status in (Status.PASSED, *WITHOUT_TIMES) for one in self.records)

    @property
    def name(self) -> str:
        """For people: "jax 0.10.2, libtpu 0.0.52"."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())
