"""The answer first: of each subject the fastest way that is right, its interval, and how near it comes to the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import plain
from oneblock.bench.judge.answers import Answer, Contender
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind

SHOWN = 12  # subjects, on the first screen; the others are a click away


@dataclass(frozen=True)
class Bar:
    """One way as it is drawn: how much of the limit it reaches, with its interval, all in %; None without a limit."""

    row: Row
    answer: Answer
    colour: int  # that of its backend in every plot, from 1
    share: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Subject:
    """A subject's bars, the fastest of each backend: the first is the answer, the others where a filter hides it."""

    number: int  # among the page's groups, from 1
    first: Row
    bars: list[Bar]


@dataclass(frozen=True)
class Answers:
    """The subjects with an answer, and those without one, with how their cells ended."""

    subjects: list[Subject]
    without: list[tuple[int, Row, dict[str, int]]]  # (the group's number, its first row, how many ended how)

    @property
    def shown(self) -> list[Subject]:
        """Those on the first screen."""
        return self.subjects[:SHOWN]

    @property
    def folded(self) -> list[Subject]:
        """The others."""
        return self.subjects[SHOWN:]


def build(study: Study) -> Answers | None:
    """Of every group of the page; None without records."""
    subjects, without = [], []
    for number, group in enumerate(study.groups, 1):
        if bars := _bars(group, study.plots.backends):
            subjects.append(Subject(number, group[0], bars))
        else:
            statuses = [row.record.status.value for row in group]
            without.append((number, group[0], {one: statuses.count(one) for one in dict.fromkeys(statuses)}))
    return Answers(subjects, without) if study.groups else None


def _bars(group: Sequence[Row], backends: Sequence[str]) -> list[Bar]:
    """Of each backend the fastest, in a group whose fastest come first."""
    ways = [(row, Contender(row.record, times.cold_s, times.interval_s)) for row in group if (times := row.times)]
    bars: dict[str, Bar] = {}
    for place, (row, way) in enumerate(ways):
        following = ways[place + 1][1] if place + 1 < len(ways) else None
        colour = backends.index(plain(row.record.cell.backend)) % 8 + 1
        bars.setdefault(row.record.cell.backend, _bar(row, Answer(way, following), colour))
    return list(bars.values())


def _bar(row: Row, found: Answer, colour: int) -> Bar:
    way = found.fastest
    if way.limit is None:
        return Bar(row, found, colour, None, 0.0, 0.0)
    low, high = way.interval_s
    share, worst, best = (min(100.0, 100 * way.limit.seconds / took) for took in (way.cold_s, high, low))
    return Bar(row, found, colour, share, worst, best)


SECTION = Section("The fastest that is right", "answers", 10, build, kinds=(Kind.MEASURED,), contents="Answers")
