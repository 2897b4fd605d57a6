"""The answer of a subject: the fastest of its ways that are right and timed, and how far behind the next is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oneblock.bench.judge.roofline import Bound, bound
from oneblock.bench.judge.stats import centre, interval
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Contender:
    """One way to run a subject, which was right and timed."""

    record: Record
    cold_s: float
    interval_s: tuple[float, float]  # of 99 %

    @property
    def limit(self) -> Bound | None:
        """The roofline of its machine; None where that is not known."""
        return bound(self.record.costs, self.record.limits)

    @property
    def name(self) -> str:
        """Backend and ops set, and the target where it is another than the CPU."""
        cell = self.record.cell
        return f"{cell.backend} {cell.ops}" + (f" {cell.target}" if cell.target != "cpu" else "")


@dataclass(frozen=True)
class Answer:
    """The fastest way, and the next; None where there is no other."""

    fastest: Contender
    next: Contender | None

    @property
    def ratio(self) -> float | None:
        """How many times as long the next takes."""
        return self.next.cold_s / self.fastest.cold_s if self.next else None

    @property
    def tied(self) -> bool:
        """Whether the intervals of the two overlap, so that neither is known to be the faster."""
        return self.next is not None and self.next.interval_s[0] <= self.fastest.interval_s[1]

    @property
    def ahead(self) -> str:
        """The next for people: "1.32x before jax_xla native"; "" where there is none."""
        if self.next is None or self.ratio is None:
            return ""
        return f"{'not told from' if self.tied else f'{self.ratio:.3g}x before'} {self.next.name}"


def answer(records: Iterable[Record]) -> Answer | None:
    """Of the records of one subject, tier and machine; None where none was right and timed here."""
    timed = [one for one in records if one.status is Status.PASSED and one.kind is Kind.MEASURED]
    first = sorted(((centre(one.samples()), number) for number, one in enumerate(timed)))[:2]
    ways = [
        Contender(timed[number], cold_s, interval(timed[number].samples(), timed[number].between))
        for cold_s, number in first
    ]
    return Answer(ways[0], ways[1] if len(ways) > 1 else None) if ways else None
