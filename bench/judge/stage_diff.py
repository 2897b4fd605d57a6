"""Stages of two records: which have equal texts, and step by step what differs in those that have not."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import StageText, context_of, in_order, normal
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.dialects import Context, find, read

LARGEST = 2**18  # bytes of a text that a summary reads: what is larger is compared when it is asked for
READ = 2**21  # bytes of texts that a summary reads in all


@dataclass(frozen=True)
class Section:
    """The lines of one step in two texts, and how often each operation stands in them."""

    step: str  # "" of no step
    before: list[str]
    after: list[str]
    operations: tuple[Counter[str], Counter[str]]

    @property
    def same(self) -> bool:
        """Whether the lines are equal; cheaper than asking for what differs."""
        return self.before == self.after

    @cached_property
    def hunks(self) -> list[str]:
        """A unified diff, without its two heading lines."""
        return [] if self.same else [*difflib.unified_diff(self.before, self.after, lineterm="")][2:]

    @property
    def removed(self) -> int:
        """Lines of the first text alone."""
        return sum(line.startswith("-") for line in self.hunks)

    @property
    def added(self) -> int:
        """Lines of the second alone."""
        return sum(line.startswith("+") for line in self.hunks)

    def moved(self) -> dict[str, tuple[int, int]]:
        """(times in the first, times in the second) of each operation whose number differs."""
        first, second = self.operations
        return {name: (first[name], second[name]) for name in first | second if first[name] != second[name]}


@dataclass(frozen=True)
class StageDifference:
    """A stage of two records in short; `same` is None where the texts were not read, for the reason in `why`."""

    dialect: str
    same: bool | None
    lines: tuple[int, int] | None
    why: str


def stage_differences(a: Record, b: Record, stores: tuple[Store, Store], raw: bool) -> list[StageDifference]:
    """The stages of both in short, in A's order. Of hundreds of passes some are read, the final stages first."""
    others: dict[str, list[ArtifactRef]] = {}
    for ref in b.artifacts:
        others.setdefault(ref.dialect, []).append(ref)
    pairs = [(one, two) for one in a.artifacts for two in others.get(one.dialect, ())]
    contexts = [cache(partial(context_of, record, store)) for record, store in zip((a, b), stores, strict=True)]
    found: dict[int, StageDifference] = {}
    left = READ
    for n in sorted(range(len(pairs)), key=lambda n: (":" in pairs[n][0].dialect, find(pairs[n][0].dialect) is None)):
        one, two = pairs[n]
        told = _unread(one, two, left)
        if told is None:
            left -= one.bytes + two.bytes
            told = _in_short(one, two, stores, contexts, raw)
        found[n] = told
    return [found[n] for n in range(len(pairs))]


def _unread(one: ArtifactRef, two: ArtifactRef, left: int) -> StageDifference | None:
    """What is told of two texts that need not be read, or are not, as they are too long; else None."""
    if one.sha256 == two.sha256:
        return StageDifference(one.dialect, True, None, "the same text")
    if max(one.bytes, two.bytes) > LARGEST:
        return StageDifference(one.dialect, None, None, f"over {LARGEST >> 10} KiB: --stage {one.dialect} reads it")
    if one.bytes + two.bytes > left:
        return StageDifference(one.dialect, None, None, f"{READ >> 20} MiB were read: --stage {one.dialect} reads it")
    return None


def _in_short(
    one: ArtifactRef,
    two: ArtifactRef,
    stores: tuple[Store, Store],
    contexts: Sequence[Callable[[], Context]],
    raw: bool,
) -> StageDifference:
    try:
        left, right = (
            StageText(ref, text := store.text(ref), read(ref.dialect, text, context()))
            for ref, store, context in zip((one, two), stores, contexts, strict=True)
        )
    except StoreError:
        return StageDifference(one.dialect, None, None, "the text is gone, or not the one of its record")
    found = sections(left, right, None, raw)
    lines = (len(left.rows), len(right.rows))
    apart = [section.step or "no step" for section in found if not section.same]
    by = f"in {', '.join(apart)}" if left.lines and right.lines else ""
    return StageDifference(one.dialect, not apart, lines, by if apart else "the same but for names and numbers")


def sections(a: StageText, b: StageText, step: str | None, raw: bool) -> list[Section]:
    """The texts step by step, normalised unless `raw`; whole without step attribution.

    A line of several steps stands in the section of each.
    """
    if a.lines is None or b.lines is None:
        unread = (a if a.lines is None else b).dialect
        if step is not None:
            raise Refused(f"no step attribution for {unread}: leave --step out")
        return [_section("", a, b, range(len(a.rows)), range(len(b.rows)), raw)]
    known = {name for steps in (*a.lines.steps, *b.lines.steps) for name in steps or ("",)}
    steps = [step] if step else in_order(known)
    return [_section(name, a, b, a.of(name), b.of(name), raw) for name in steps]


def _section(step: str, a: StageText, b: StageText, left: Sequence[int], right: Sequence[int], raw: bool) -> Section:
    before, after = _rows(a, left, raw), _rows(b, right, raw)
    return Section(step, before, after, (a.operations(left), b.operations(right)))


def _rows(stage: StageText, numbers: Sequence[int], raw: bool) -> list[str]:
    rows = [stage.rows[number] for number in numbers]
    return rows if raw else normal(stage.dialect, rows)
