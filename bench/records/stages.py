"""The stages that a record keeps as text, and of which step each of their lines is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.dialects import Context, Lines, StageName, Steps, context, normalised, opcode, read
from oneblock.workloads.ops.definitions import STEPS
from oneblock.workloads.ops.nearest import unknown


@dataclass(frozen=True)
class StageText:
    """One stage; `lines` is None without step attribution for its dialect."""

    ref: ArtifactRef
    text: str
    lines: Lines | None

    @property
    def dialect(self) -> str:
        """What its own toolchain calls it."""
        return self.ref.dialect

    @property
    def family(self) -> str:
        """The dialect without the kernel, call or pass that the text is of."""
        return StageName.parse(self.dialect).family

    @cached_property
    def rows(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()

    def of(self, step: str) -> list[int]:
        """The numbers, from 0, of the lines of a step; "" is of none."""
        known: Sequence[Steps] = self.lines.steps if self.lines else ()
        return [number for number, steps in enumerate(known) if step in steps or not (step or steps)]

    def operations(self, numbers: Sequence[int] | None = None) -> Counter[str]:
        """How often each operation stands in it, or in some of its lines; empty without step attribution."""
        if self.lines is None:
            return Counter()
        rows, known = self.rows, self.lines.operations
        asked = range(len(rows)) if numbers is None else numbers
        return Counter(opcode(self.dialect, rows[number]) for number in asked if known[number])

    def by_step(self) -> Counter[str]:
        """Operations by step; one of several steps counts for each, and one of none under ""."""
        found: Counter[str] = Counter()
        for steps, is_one in zip(self.lines.steps, self.lines.operations, strict=True) if self.lines else ():
            found.update(steps or ("",) if is_one else ())
        return Counter({step: found[step] for step in in_order(found)})


def in_order(steps: Iterable[str]) -> list[str]:
    """Names of steps in the block's order; "", what is of no step, last."""
    return sorted(steps, key=lambda step: STEPS.index(step) if step in STEPS else len(STEPS) + (not step))


def named(record: Record, name: str) -> list[ArtifactRef]:
    """The artifacts of a stage ("optimized") or dialect ("hlo"); LookupError offers the nearest names."""
    found = [ref for ref in record.artifacts if name in (ref.stage, ref.dialect)]
    if found:
        return found
    known = [known for ref in record.artifacts for known in (ref.stage.value, ref.dialect)]
    if not known:
        raise Refused(f"{record.cell.name} has no lowering stages: {record.cell.backend} compiles nothing")
    raise LookupError(unknown("stage", name, known))


def whole(refs: Sequence[ArtifactRef], store: Store) -> list[StageText]:
    """Stages of which only the text is asked for."""
    return [StageText(ref, store.text(ref), None) for ref in refs]


def opened(record: Record, refs: Sequence[ArtifactRef], store: Store) -> list[StageText]:
    """Stages with the steps of their lines."""
    context = context_of(record, store)
    texts = [(ref, store.text(ref)) for ref in refs]
    return [StageText(ref, text, read(ref.dialect, text, context)) for ref, text in texts]


def check_step(record: Record, step: str) -> str:
    """The step, if the record's workload has it; LookupError offers the nearest names."""
    known = [cost.step for cost in record.costs.steps]
    if step not in known:
        raise LookupError(unknown("step", step, known or list(STEPS)))
    return step


class _Texts(Mapping[str, str]):
    """The texts that are at hand, by dialect, each read when it is asked for.

    One that is not of its hash tells nothing of the others; where it is itself asked for, the store says so.
    """

    def __init__(self, record: Record, store: Store) -> None:
        self.refs, self.store = {ref.dialect: ref for ref in record.artifacts if store.has_text(ref)}, store

    def __getitem__(self, dialect: str) -> str:
        ref = self.refs[dialect]
        try:
            return self.store.text(ref)
        except StoreError:
            return ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.refs)

    def __len__(self) -> int:
        return len(self.refs)


def context_of(record: Record, store: Store) -> Context:
    """What a reader may know beside a text."""
    return context(record.facts, _Texts(record, store), STEPS)


def normal(dialect: str, rows: Sequence[str]) -> list[str]:
    """Lines without what no reader of a difference asks for: numbers of names, metadata, locations, layouts."""
    return normalised(dialect, "\n".join(rows)).splitlines()
