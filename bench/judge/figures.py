"""A record's counted figures, each with what it counts and its kind: those of the whole, and those of each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.steps import StepRow, by_step
from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind

Figures = dict[str, "Figure"]  # by name
_LAUNCHES = "launches"


@dataclass(frozen=True)
class Figure:
    """One count. Two may be subtracted only if they count the same, in the same unit, by the same kind of evidence."""

    name: str  # "HBM traffic"
    value: float
    of: str  # what is counted: "fusion", "kernel"; or in what: "HLO"; "" where the name says it
    unit: str  # "", "B", "s", "%" of a share of 1, or "error"
    kind: Kind
    shown: str = ""  # in place of the value: "1 fusion and 1 kernel"

    def alike(self, other: Figure) -> bool:
        """Whether the difference of the two means anything."""
        return (self.name, self.of, self.unit, self.kind) == (other.name, other.of, other.unit, other.kind)

    def __str__(self) -> str:
        if self.shown:
            return self.shown
        if self.unit == "s":
            return seconds(self.value) if self.value else "0 s"
        if self.unit == "B":
            return size(self.value)
        if self.unit in ("%", "error"):
            return f"{self.value:.0%}" if self.unit == "%" else f"{self.value:.1e}"
        count = f"{self.value:,.0f}" if self.value < 1e7 else f"{self.value:.4g}"
        return _plural(int(self.value), self.of) if self.name == _LAUNCHES else count


@dataclass(frozen=True)
class Change:
    """One figure in two records."""

    before: Figure
    after: Figure

    @property
    def name(self) -> str:
        """What both tell of."""
        return self.before.name

    @property
    def kind(self) -> str:
        """The kind of both, or "A -> B"."""
        kinds = (self.before.kind, self.after.kind)
        return kinds[0] if kinds[0] == kinds[1] else " -> ".join(kinds)

    @property
    def same(self) -> bool:
        """Whether nothing moved; figures that are not alike are never the same."""
        return self.before.alike(self.after) and self.before.value == self.after.value

    @property
    def difference(self) -> float | None:
        """After less before; None where the two count different things."""
        return self.after.value - self.before.value if self.before.alike(self.after) else None

    def __str__(self) -> str:
        label = "" if self.name == _LAUNCHES else f"{self.name} "
        return f"{label}{self.before} -> {self.after}{self._moved()}"

    def _moved(self) -> str:
        if not self.difference:
            apart = self.before.kind == self.after.kind and self.name != _LAUNCHES  # else the words before it say so
            return ", counted differently" if self.difference is None and apart else ""
        if self.before.unit in ("%", "error"):
            return ""
        if self.before.unit or self.before.value >= 1e5:
            return f" ({self.difference / self.before.value:+.1%})" if self.before.value else ""
        return f" ({self.difference:+,.0f})"


def changes(before: Figures, after: Figures) -> list[Change]:
    """Of the figures that both have."""
    return [Change(figure, after[name]) for name, figure in before.items() if name in after]


def whole(record: Record) -> Figures:
    """Of the whole program; nothing where the record has no facts."""
    facts = record.facts
    if facts is None:
        return {}
    called, kind = facts.called, facts.kind
    registers = [call.registers for call in facts.calls if call.registers is not None]
    spills = [call.spill_bytes for call in facts.calls if call.spill_bytes is not None]
    has_fusions = bool(facts.fusions)
    counts: list[tuple[str, float | None, str, str]] = [
        ("operations", sum(facts.operations.values()) or None, called.operation, ""),
        ("fusions", sum(facts.fusions.values()) if has_fusions else None, "", ""),
        ("custom calls", sum(facts.custom_calls.values()) if has_fusions else None, "", ""),
        ("kernels", len(facts.launches) or None, called.noun, ""),
        ("FLOPs", facts.flops, called.counted_in, ""),
        ("FLOPs by the compiler", facts.compiler_flops, called.counted_in, ""),
        ("HBM traffic", facts.hbm_bytes, _traffic_in(record.cell.target.platform, facts), "B"),
        ("scratch", facts.scratch_bytes, "", "B"),
        ("code", facts.code_bytes or None, "", "B"),
        ("registers", max(registers, default=None), "", ""),
        ("spills", sum(spills) if spills else None, "", "B"),
    ]
    found = {name: Figure(name, value, of, unit, kind) for name, value, of, unit in counts if value is not None}
    named = Counter(one.name for one in facts.estimates)
    for one in facts.estimates:
        if one.seconds is not None:
            name = f"time by {one.name}"
            by = name if named[one.name] == 1 else f"{name} ({one.kind})"
            found[by] = Figure(name, one.seconds, "", "s", one.kind)
    return found


def of_steps(record: Record, pieces: Mapping[str, Counter[str]] | None = None) -> dict[str, Figures]:
    """Of each step; `pieces` has, where it is known, how many fusions and kernels of one's own its schedule has."""
    facts = record.facts
    if facts is None:
        return {}
    traffic_in = _traffic_in(record.cell.target.platform, facts)
    return {row.name: _row(row, facts, (pieces or {}).get(row.name, Counter()), traffic_in) for row in by_step(facts)}


def _traffic_in(platform: str, facts: Facts) -> str:
    """In which text traffic was counted; a TPU's record without a list counts a cross-program prefetch twice."""
    if facts.traffic is not None:
        return facts.traffic.counted_in
    return f"{facts.called.counted_in}, prefetches twice" if platform == "tpu" else facts.called.counted_in


def agree(record: Record, pieces: Mapping[str, Counter[str]]) -> bool:
    """Whether today's pieces are those that the record's own counts are of.

    A record's counts by step are of the day it was made. Where its text is divided otherwise today, a step's pieces
    and its bytes, say, would be of different operations.
    """
    facts = record.facts
    if facts is None or not facts.steps:
        return True
    now = {step: sum(count.values()) for step, count in pieces.items()}
    return now == {one.step or "": one.operations for one in facts.steps if one.operations}


def _row(row: StepRow, facts: Facts, pieces: Counter[str], traffic_in: str) -> Figures:
    how = ", ".join(sorted(row.how))
    launches = _launches(row, facts, pieces)
    called = facts.called
    counts: list[tuple[str, float | None, str, str, Kind]] = [
        ("operations", row.operations, called.operation, "", facts.kind),
        ("FLOPs", row.flops, called.counted_in, "", facts.kind),
        ("HBM traffic", row.hbm_bytes, traffic_in, "B", facts.kind),
        ("registers", row.registers, "", "", facts.kind),
        (called.on_chip, row.on_chip_bytes, "", "B", facts.kind),
        (f"cycles by {how}", row.cycles, "", "", Kind.MODELLED),
        (f"time by {how}", row.seconds, "", "s", Kind.MODELLED),
    ]
    found = {name: Figure(name, value, of, unit, kind) for name, value, of, unit, kind in counts if value is not None}
    if launches is None:
        return found
    if launches.of == called.operation:  # they would be said twice
        found.pop("operations", None)
    return {_LAUNCHES: launches, **found}


def _launches(row: StepRow, facts: Facts, pieces: Counter[str]) -> Figure | None:
    """How many pieces a step was compiled to, in the words of its toolchain."""
    if facts.launches:
        count, of, shown = row.kernels, facts.called.noun, ""
    elif pieces["fusion"] or pieces["kernel"]:
        both = {what: pieces[what] for what in ("fusion", "kernel") if pieces[what]}
        count, of = sum(both.values()), " and ".join(both)
        shown = " and ".join(_plural(number, what) for what, number in both.items())
    else:
        count, of, shown = row.operations, facts.called.operation, ""
    return None if count is None else Figure(_LAUNCHES, count, of, "", facts.kind, shown)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
