"""Two records, or a stage of each: what differs, by step of the block, a summary before the lines."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.compare import Comparison, two_ways
from oneblock.bench.judge.figures import Change, agree, changes, of_steps, whole
from oneblock.bench.judge.measured import measured
from oneblock.bench.judge.stage_diff import StageDifference, stage_differences
from oneblock.bench.judge.stats import Verdict
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import named
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.dialects import find, schedule
from oneblock.workloads.ops.definitions import STEPS

WHOLE = "whole"
_SUBJECT = ("case.", "dtype")  # of a cell's keys: what is computed; the rest is where, and with which seeds


@dataclass(frozen=True)
class Summary:
    """Two records' counted figures, of the whole and by step; what was measured; and which stages have equal texts."""

    steps: dict[str, list[Change]]  # and under "whole"
    time: Comparison | None  # None where either was not timed
    stages: list[StageDifference]
    alone: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # the stages of the first only, and of the second only
    notes: tuple[str, ...] = ()  # what was left out, and why
    measured: Mapping[str, list[Change]] = field(default_factory=dict)  # "times", "errors", "memory"

    @property
    def same(self) -> bool | None:
        """Whether no count and no text differs; None where none does, but not every stage could be compared.

        Times are not asked, as two runs of one program differ in them; but where there is nothing else to compare.
        """
        if not self.steps and not self.stages:
            return False if self.time is not None and self.time.verdict in (Verdict.FASTER, Verdict.SLOWER) else None
        counts = all(change.same for each in self.steps.values() for change in each)
        if not counts or any(stage.same is False for stage in self.stages):
            return False
        return None if any(self.alone) or any(stage.same is None for stage in self.stages) else True


def subject(a: Record, b: Record) -> dict[str, tuple[Any, Any]]:
    """What differs in what is computed: sizes, phase, dtype."""
    left, right = a.cell.keys(), b.cell.keys()
    keys = [key for key in sorted(left.keys() | right.keys()) if key.startswith(_SUBJECT)]
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def check_subject(a: Record, b: Record) -> None:
    """Refused if the two compute different things."""
    if differ := subject(a, b):
        said = "; ".join(f"{key}: {left!r} in A, {right!r} in B" for key, (left, right) in differ.items())
        raise Refused(f"not the same workload: {said}; --force compares them all the same")


def summary(a: Record, b: Record, stores: tuple[Store, Store], step: str | None, raw: bool) -> Summary:
    """What both records have, compared; Refused if they have nothing in common."""
    today, notes = _today((a, b), stores)
    left, right = of_steps(a, today[0]), of_steps(b, today[1])
    steps = {} if step else {WHOLE: changes(whole(a), whole(b))}
    steps |= {name: changes(left[name], right[name]) for name in left if name in right and step in (None, name)}
    steps = {name: found for name, found in steps.items() if found}
    stages = [] if step else stage_differences(a, b, stores, raw)
    left, right = ({}, {}) if step else (measured(a), measured(b))
    beside = {name: found for name in left if (found := changes(left[name], right[name]))}
    if not steps and not stages and not beside:
        what = f" of {step}" if step else ""
        raise Refused(f"A and B have no counts{what} and no stage in common; --stage SA:SB compares two stages' texts")
    if not steps and not stages:
        notes += ("no counts and no stage in common: only what was measured is compared",)
    timed = a.launches and b.launches and not step
    alone = ((), ()) if step else (_alone(a, b), _alone(b, a))
    if not step:
        notes += (*_uncounted(of_steps(a), of_steps(b)), *(() if stages else _apart(alone)))
    return Summary(steps, two_ways(a, b) if timed else None, stages, alone, notes, beside)


def _uncounted(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Why no step has a line of its own, where only one compiler's texts are counted by step."""
    if bool(a) != bool(b):
        yield f"no counts by step: only {'A' if a else 'B'} has them"


def _apart(alone: tuple[tuple[str, ...], tuple[str, ...]]) -> Iterator[str]:
    """Of two compilers that share no stage: how to read the last whole program of each, step by step."""
    last = [[name for name in names if ":" not in name] for names in alone]
    if all(last):
        yield f"no stage is in both: --stage {last[0][-1]}:{last[1][-1]} puts one of each side by side, step by step"


def _alone(a: Record, b: Record) -> tuple[str, ...]:
    """The stages that only `a` has."""
    others = {ref.dialect for ref in b.artifacts}
    return tuple(dict.fromkeys(ref.dialect for ref in a.artifacts if ref.dialect not in others))


_Pieces = Mapping[str, Counter[str]]


def _today(records: tuple[Record, Record], stores: tuple[Store, Store]) -> tuple[list[_Pieces], tuple[str, ...]]:
    """Both records' fusions and kernels by step, or of neither: a fusion less an operation is no difference."""
    found = [_pieces(record, store) for record, store in zip(records, stores, strict=True)]
    why = [
        f"{name}'s {fault}"
        for name, record, of in zip("AB", records, found, strict=True)
        if any(found) and (fault := _unlike(record, of))
    ]
    return ([{}, {}], (f"fusions by step are left out: {'; '.join(why)}",)) if why else (found, ())


def _unlike(record: Record, found: _Pieces) -> str:
    """Why a record's fusions by step cannot stand beside its other counts; empty if they can."""
    if found:
        again = "its HLO is divided among the steps otherwise today; `oneblock run --again` makes it anew"
        return "" if agree(record, found) else f"counts are of its day, and {again}"
    facts = record.facts
    return "" if facts is None or facts.launches or not facts.steps else "HLO is not here or was cut off"


def _pieces(record: Record, store: Store) -> _Pieces:
    """How many fusions and kernels a schedule has for each step; empty without the text that says so."""
    for ref in reversed(record.artifacts):
        known = find(ref.dialect)
        if known and known.schedule and ref.dialect in known.names and store.has_text(ref):
            with contextlib.suppress(StoreError):  # another text than the record is of
                return schedule(ref.dialect, store.text(ref), STEPS)
    return {}


def chosen(a: Record, b: Record, stage: str) -> tuple[ArtifactRef, ArtifactRef]:
    """The stages that "S" or "SA:SB" names; dialects have colons themselves, so that each is tried."""
    splits = [index for index, character in enumerate(stage) if character == ":"]
    for left, right in [(stage, stage), *((stage[:at], stage[at + 1 :]) for at in splits)]:
        try:
            first, second = named(a, left), named(b, right)
        except LookupError:
            continue
        alike = [(one, two) for one in first for two in second if one.dialect == two.dialect]
        return alike[0] if alike else (first[0], second[0])
    named(a, stage.partition(":")[0])  # says which of the two is not known, and what is near
    named(b, stage.rpartition(":")[2])
    raise LookupError(f"{stage!r}: expected a stage of both records, or SA:SB, one of each; `oneblock show` lists them")
