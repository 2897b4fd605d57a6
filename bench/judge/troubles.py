"""Why cells have no number, or one that may be wrong: by cause, so that what many share is told once, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import WITHOUT_TIMES, Record, Status

Found = TypeVar("Found")
_ENDINGS = {
    Status.FAILED: "the answer was wrong",
    Status.OVERFLOW: "a value left the range of the dtype",
    Status.DISTURBED: Cause.CORES_SHARED.words,
    Status.INVALID: "faster than the machine can be, or judged by a check that accepts wrong answers",
    Status.UNSUPPORTED: "the backend cannot do it",
    Status.UNAVAILABLE: "the toolchain or the device is not here",
    Status.CRASHED: "the process ended by itself",
    Status.TIMED_OUT: "it took longer than it may",
    Status.OUT_OF_MEMORY: "it needs more memory than there is",
    Status.COMPILED: "compiled, and its program was not counted",
}
DOUBT = "doubt"  # in place of a status: it has a number


@dataclass(frozen=True)
class Trouble:
    """One reason why a record has no number, or why its number may be wrong."""

    cause: str  # "other work shared the cores": what many may share
    status: str  # how the cell ended; DOUBT where it has a number
    words: str  # the record's own


@dataclass(frozen=True)
class TroubleGroup(Generic[Found]):
    """All that have one cause, each with its own words."""

    cause: str
    found: tuple[tuple[Found, Trouble], ...]

    @property
    def statuses(self) -> dict[str, int]:
        """How many ended how; under DOUBT those that have a number."""
        counted = Counter(str(one.status) for _, one in self.found)
        return {str(kind): counted[kind] for kind in (*Status, DOUBT) if kind in counted}

    @property
    def sentences(self) -> dict[str, list[Found]]:
        """What is told of them in their own words, each sentence once."""
        told: dict[str, list[Found]] = {}
        for one, trouble in self.found:
            told.setdefault(trouble.words, []).append(one)
        return told

    @property
    def words(self) -> str:
        """The cause with how many cells it is of: "11 cells: other work shared the cores (4 disturbed, 7 doubted)"."""
        told = ", ".join(f"{n} {'doubted' if kind == DOUBT else kind}" for kind, n in self.statuses.items())
        return f"{len(self.found)} cell{'s' * (len(self.found) != 1)}: {self.cause} ({told})"


def troubles(record: Record) -> Iterator[Trouble]:
    """Of one record: how it ended, if not well, then its doubts, those of one cause together."""
    uncounted = record.status is Status.COMPILED and record.facts is None
    if record.status is not Status.PASSED and (record.status not in WITHOUT_TIMES or uncounted):
        hint = f"; {record.hint}" if record.hint else ""
        yield Trouble(_ENDINGS[record.status], record.status, f"{record.reason or record.status}{hint}")
    for cause in dict.fromkeys(doubt.cause for doubt in record.doubts):
        yield Trouble(cause.words, DOUBT, "; ".join(one.words for one in record.doubts if one.cause is cause))


def by_cause(those: Iterable[Found], record: Callable[[Found], Record]) -> list[TroubleGroup[Found]]:
    """Every cause with those that it is of; first what left no number, then what most share."""
    found: dict[str, list[tuple[Found, Trouble]]] = {}
    for one in those:
        for trouble in troubles(record(one)):
            found.setdefault(trouble.cause, []).append((one, trouble))
    groups = [TroubleGroup(cause, tuple(those)) for cause, those in found.items()]
    return sorted(groups, key=lambda group: (set(group.statuses) == {DOUBT}, -len(group.found), group.cause))
