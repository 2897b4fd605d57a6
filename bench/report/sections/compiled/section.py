"""What was compiled for a device that is elsewhere: counts of its program, and estimates of its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import plain
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.rows.programs import Entry, Exchange, Method, _in_order, method
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.sections.compiled.plots import occupancies, slots, times, traffic
from oneblock.bench.report.study import Study
from oneblock.bench.terminal.programs import ESTIMATES, ledger
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Subject:
    """The compiled rows of one subject, tier and machine, and their plots; None where there is nothing to plot."""

    number: int  # among the page's subjects, from 1
    entries: tuple[Entry, ...]
    times: Plot | None
    traffic: Plot | None
    slots: tuple[tuple[Entry, Plot], ...]
    occupancies: Plot | None

    @property
    def methods(self) -> list[Method]:
        """Those that have an answer for any row, or say why they have none."""
        seen = {name for entry in self.entries for name in entry.estimates}
        return [method(name) for name in _in_order(seen)]

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
        said = ((e.label, name, one.how) for e in self.entries for name, one in e.estimates.items())
        return _once((f"{name}: {how}", label) for label, name, how in said)


@dataclass(frozen=True)
class CompiledPrograms:
    """The page's subjects with compiled rows, and every method of theirs once."""

    subjects: list[Subject]
    methods: list[Method]


def build(study: Study) -> CompiledPrograms | None:
    """The compiled programs; None where no row is one with facts."""
    found = subjects(study.groups, study.plots)
    return CompiledPrograms(found, methods(found)) if found else None


def subjects(groups: Sequence[Sequence[Row]], plots: Plots) -> list[Subject]:
    """The page's subjects that have compiled rows with facts, each with its plots."""
    found = [(number, entries) for number, group in enumerate(groups, 1) if (entries := _entries(group))]
    names = {name for _, entries in found for entry in entries for name in entry.estimates}
    colours = [*ESTIMATES, *_in_order(names - set(ESTIMATES))]  # a method has the same colour in all plots and pages
    made = []
    for number, entries in found:
        pair, heats = (times(plots, entries, colours), traffic(plots, entries)), [slots(plots, one) for one in entries]
        having = tuple((entry, heat) for entry, heat in zip(entries, heats, strict=True) if heat)
        made.append(Subject(number, entries, *pair, having, occupancies(plots, entries)))
    return made


def methods(found: Sequence[Subject]) -> list[Method]:
    """Every method of the page once."""
    names = _in_order({one.name for subject in found for one in subject.methods})
    return [method(name) for name in names]


def _entries(group: Sequence[Row]) -> tuple[Entry, ...]:
    rows = sorted((row for row in group if row.counted), key=_place)
    told = [0, *(part for part in (1, 2) if len({_place(row)[part] for row in rows}) > 1)]  # the target is always said
    labels = [plain(" ".join(_place(row)[part] for part in told)) for row in rows]
    return tuple(
        Entry(row, row.record.facts, label) for row, label in zip(rows, labels, strict=True) if row.record.facts
    )


def _place(row: Row) -> tuple[str, str, str]:
    backend, ops_set, target = row.labels
    return target, backend, ops_set


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text, label in pairs:
        found.setdefault(text, []).append(label)
    return found


SECTION = Section("Compiled, not run", "compiled", 40, build, kinds=(Kind.COMPILED, Kind.MODELLED))
