"""What moved between two releases of a toolchain: counts of the whole and by step, numbers against float64, texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.figures import Change, Figure, Figures, changes, of_steps, whole
from oneblock.bench.judge.measured import ERRORS, measured
from oneblock.bench.records.record import WITHOUT_TIMES, ArtifactRef, Record, Status
from oneblock.bench.records.stages import normal
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.bench.toolchains.release import Release
from oneblock.compilers import Stage
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.dialects import StageName

# Of which more is worse whatever else moved; of what an estimate is made of, the estimate tells as well.
COSTS = ("scratch", "spills", "stack", "registers", "shared memory", "HBM traffic", "kernels", "cycles", "instructions")
GOOD = (Status.PASSED, *WITHOUT_TIMES)
_STAGES = list(Stage)
_OF_FLOAT64 = 1e-12  # what a relative L2 may move by of its own: the reference's own rounding, with another NumPy


@dataclass(frozen=True)
class Moved:
    """One cell in two releases: what is not the same; no count of it is an alarm where the program is the same text."""

    cell: Record  # of the later release
    before: str  # the coordinate of the earlier
    after: str
    changes: tuple[tuple[str, Change], ...]  # (step, or "whole")
    status: tuple[str, str] | None = None  # where that differs
    same_text: bool | None = None  # None: there is no text to hold against the other

    @property
    def alarms(self) -> tuple[tuple[str, Change], ...]:
        """The changes that a release is to answer for; over one and the same text those of errors, and no count."""
        if not self.same_text:
            return self.changes
        errors = {one.name: (step, one) for step, one in self.changes if one.name in ERRORS}
        apart = abs(errors[ERRORS[0]][1].difference or 0.0) if ERRORS[0] in errors else 0.0
        return tuple(errors.values()) if apart > _OF_FLOAT64 else ()

    @property
    def silent(self) -> tuple[tuple[str, Change], ...]:
        """The changes that are no alarm."""
        return tuple(each for each in self.changes if each not in self.alarms)

    @property
    def ended(self) -> str | None:
        """How it ended in both, with the later's reason, where that differs."""
        if self.status is None:
            return None
        return " -> ".join(self.status) + (f": {self.cell.reason}" if self.cell.reason else "")

    @property
    def any(self) -> bool:
        """Whether the release did anything to the cell."""
        return bool(self.status or self.alarms)


def key(record: Record) -> str:
    """What makes two records one cell in two releases."""
    return replace(record.cell, toolchain=None).key


def figures(record: Record) -> dict[str, Figures]:
    """Of the whole program, under "whole", and of each step: all that a release may move."""
    errors = measured(record)["errors"]
    return {WHOLE: {**whole(record), **_more(record), **errors}, **of_steps(record)}


def _more(record: Record) -> Figures:
    """What only kernels and steps tell, of the whole."""
    facts = record.facts
    if facts is None:
        return {}
    kernels = facts.of(GpuKernel)
    shared = [one.shared_bytes for one in kernels if one.shared_bytes is not None]
    stack = [one.stack_bytes for one in kernels if one.stack_bytes is not None]
    machine = [one.machine_instructions for one in kernels if one.machine_instructions is not None]
    cycles = [one.cycles for one in facts.steps if one.cycles is not None]
    found = (
        ("shared memory", max(shared, default=None), "B", facts.kind),
        ("stack", max(stack, default=None), "B", facts.kind),
        ("instructions", sum(machine) if machine else None, "", facts.kind),
        ("cycles", sum(cycles) if cycles else None, "", Kind.MODELLED),
    )
    return {name: Figure(name, value, "", unit, kind) for name, value, unit, kind in found if value is not None}


def moved(before: Sequence[Record], after: Sequence[Record], store: Store) -> list[Moved]:
    """Of each cell that both releases have what moved, in the order of the later."""
    earlier = {key(one): one for one in before}
    return [_moved(earlier[key(one)], one, store) for one in after if key(one) in earlier]


def neighbours(way: Sequence[Release], store: Store) -> list[Moved]:
    """What moved from each release that has records to the next that has some."""
    having = [one for one in way if one.records]
    return [each for a, b in pairwise(having) for each in moved(a.records, b.records, store)]


def _moved(a: Record, b: Record, store: Store) -> Moved:
    left, right = figures(a), figures(b)
    found = [(step, one) for step in left for one in changes(left[step], right.get(step, {})) if not one.same]
    status = (a.status.value, b.status.value) if a.status is not b.status else None
    return Moved(b, a.cell.toolchain or "", b.cell.toolchain or "", tuple(found), status, same_program(a, b, store))


def same_program(a: Record, b: Record, store: Store) -> bool | None:
    """Whether the last texts of two lowerings are equal, after what no reader asks for is gone; None without any."""
    left, right = _last(a), _last(b)
    common = min((max(map(_place, refs), default=-1) for refs in (left, right)), default=-1)
    ours, theirs = ({ref.dialect: ref for ref in refs if _place(ref) == common} for refs in (left, right))
    if not ours or not theirs:
        return None
    if ours.keys() != theirs.keys():
        return False
    try:
        return all(_equal(ours[name], theirs[name], store) for name in ours)
    except StoreError:
        return None


def _last(record: Record) -> list[ArtifactRef]:
    """The texts of what is compiled, without those after each pass."""
    return [ref for ref in record.artifacts if not StageName.parse(ref.dialect).is_pass]


def _place(ref: ArtifactRef) -> int:
    return _STAGES.index(ref.stage)


def _equal(one: ArtifactRef, other: ArtifactRef, store: Store) -> bool:
    if one.sha256 == other.sha256:
        return True
    rows = (normal(ref.dialect, store.text(ref).splitlines()) for ref in (one, other))
    return next(rows) == next(rows)


def worse(of: Moved, slack: float = 0.0) -> Iterator[tuple[str, Change]]:
    """The costs of the whole that grew by more than a share; and a cell that compiled and does not any more."""
    for step, change in of.alarms:
        if step == WHOLE and change.name in COSTS and grew(change.before.value, change.after.value, slack):
            yield step, change


def grew(before: float, after: float, slack: float = 0.0) -> bool:
    """Whether a figure is more by more than a share of it; from nothing, any is."""
    return after > before * (1 + slack)


def by_release(series: Sequence[tuple[str, Sequence[Record]]]) -> Mapping[str, list[tuple[str, Record]]]:
    """The records of each cell, by release in their order."""
    found: dict[str, list[tuple[str, Record]]] = {}
    for release, records in series:
        for record in records:
            found.setdefault(key(record), []).append((release, record))
    return found
