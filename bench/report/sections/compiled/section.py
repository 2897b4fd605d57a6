"""What was compiled for a device that is elsewhere: counts of its program, and estimates of its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import plain
from oneblock.bench.judge.estimates import METHODS, Method, in_order
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.rows.programs import Entry, Exchange
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import OPEN, Section
from oneblock.bench.report.sections.compiled.plots import occupancies, slots, times, traffic
from oneblock.bench.report.study import Study
from oneblock.bench.terminal.programs import ledger
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Subject:
    """The rows of one subject, tier, machine and kind of counts, and their plots; None where there are none."""

    anchor: str  # the subject's number on the page, from 1; of its further kinds of counts with the kind
    kind: Kind  # of the counts
    entries: tuple[Entry, ...]
    times: Plot | None
    traffic: Plot | None
    slots: tuple[tuple[Entry, Plot], ...]
    occupancies: Plot | None

    @property
    def methods(self) -> list[Method]:
        """Those that have an answer for any row, or say why they have none."""
        return in_order(method for entry in self.entries for method in entry.estimates)

    @property
    def exchanges(self) -> list[Exchange]:
        """The ledger of collectives, in the order in which they are scheduled."""
        return [Exchange(entry, one, count) for entry in self.entries for one, count in ledger(entry.facts).items()]

    @property
    def caveats(self) -> dict[str, list[str]]:
        """The rows that each caveat is of."""
        return _once((caveat, entry.label) for entry in self.entries for caveat in entry.facts.caveats)

    @property
    def hows(self) -> dict[str, list[str]]:
        """The rows of which each estimate came about so."""
        said = ((e.label, method.label, one.how) for e in self.entries for method, one in e.estimates.items())
        return _once((f"{name}: {how}", label) for label, name, how in said)


@dataclass(frozen=True)
class CompiledPrograms:
    """The page's subjects with compiled rows, and every method of theirs once."""

    subjects: list[Subject]
    methods: list[Method]

    @property
    def open(self) -> bool:
        """Whether they are so few that none is folded."""
        return len(self.subjects) <= OPEN


def build(study: Study) -> CompiledPrograms | None:
    """The compiled programs; None where no row is one with facts."""
    found = subjects(study.groups, study.plots)
    return CompiledPrograms(found, methods(found)) if found else None


def subjects(groups: Sequence[Sequence[Row]], plots: Plots) -> list[Subject]:
    """The page's subjects that have compiled rows with facts, each with its plots."""
    found = [one for number, group in enumerate(groups, 1) for one in _by_kind(str(number), _entries(group))]
    seen = (method for _, _, entries in found for entry in entries for method in entry.estimates)
    colours = in_order([*METHODS, *seen])  # a method has the same colour in all plots and pages
    made = []
    for anchor, kind, entries in found:
        pair, heats = (times(plots, entries, colours), traffic(plots, entries)), [slots(plots, one) for one in entries]
        having = tuple((entry, heat) for entry, heat in zip(entries, heats, strict=True) if heat)
        made.append(Subject(anchor, kind, entries, *pair, having, occupancies(plots, entries)))
    return made


def methods(found: Sequence[Subject]) -> list[Method]:
    """Every method of the page once."""
    return in_order(method for subject in found for method in subject.methods)


def _entries(group: Sequence[Row]) -> tuple[Entry, ...]:
    rows = sorted((row for row in group if row.counted), key=_place)
    told = [0, *(part for part in (1, 2) if len({_place(row)[part] for row in rows}) > 1)]  # the target is always said
    labels = [plain(" ".join(_place(row)[part] for part in told)) for row in rows]
    return tuple(
        Entry(row, row.record.facts, label) for row, label in zip(rows, labels, strict=True) if row.record.facts
    )


def _by_kind(number: str, entries: Sequence[Entry]) -> list[tuple[str, Kind, tuple[Entry, ...]]]:
    """(anchor, kind, those whose counts are of it): counts of two kinds share no column."""
    kinds = [kind for kind in Kind if any(entry.facts.kind is kind for entry in entries)]
    anchors = [number, *(f"{number}-{kind}" for kind in kinds[1:])]
    return [
        (anchor, kind, tuple(entry for entry in entries if entry.facts.kind is kind))
        for anchor, kind in zip(anchors, kinds, strict=False)
    ]


def _place(row: Row) -> tuple[str, str, str]:
    backend, ops_set, target = row.labels
    return target, backend, ops_set


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text, label in pairs:
        found.setdefault(text, []).append(label)
    return found


SECTION = Section("Compiled, not run", "compiled", 40, build, kinds=(Kind.COMPILED, Kind.MODELLED))
