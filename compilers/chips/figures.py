"""A number with its pedigree: who states it, as of when, and what others state of the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Generic, TypeVar

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Source:
    """Where a figure is stated, and the day, release or commit of what was read there; None if it was not read anew."""

    title: str
    as_of: str | None = None

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("a source without a title: expected the document that states the figure")

    def __str__(self) -> str:
        return f"{self.title}, {self.as_of or 'not re-read'}"


@dataclass(frozen=True)
class Figure(Generic[N]):
    """A positive number, who states it, and what others state of the same: a contradiction is kept, not settled."""

    value: N
    source: Source
    others: tuple[Figure[Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.source, Source):
            raise ValueError(f"a figure of {self.value!r}: expected a Source beside it, got {self.source!r}")
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise ValueError(f"a figure by {self.source.title}: expected a number, got {self.value!r}")
        if not (isfinite(self.value) and self.value > 0):
            raise ValueError(f"a figure by {self.source.title}: expected a positive number, got {self.value!r}")
        if not isinstance(self.others, tuple) or not all(isinstance(other, Figure) for other in self.others):
            raise ValueError(f"a figure by {self.source.title}: expected others as Figures, got {self.others!r}")

    def against(self, *others: Figure[Any]) -> Figure[N]:
        """The same figure, beside what others state."""
        return replace(self, others=(*self.others, *others))

    @property
    def contradictions(self) -> tuple[Figure[Any], ...]:
        """Those of the others that state another value."""
        return tuple(other for other in self.others if other.value != self.value)


def halved(sparse: float, source: Source) -> Figure[float]:
    """A dense peak of a source that states only the one with 2:4 sparsity, which is twice as much; it says so."""
    return Figure(sparse / 2, Source(f"{source.title} (stated with sparsity, halved here)", source.as_of))
