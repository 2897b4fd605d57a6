"""The Explorer's cells and their texts, as the page's script reads them: a figure that is None is left out there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from oneblock.bench.judge.steps import StepTable
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.compilers import Stage
from oneblock.compilers.dialects import StageName, find


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the page knows of one text; None where that is not known, or not so."""

    lines: int | None = None
    share: float | None = None  # of its operations, those that are mapped to a step
    operations: int | None = None  # None: no step attribution
    counts: dict[str, list[int]] | None = None  # step: [lines, operations]
    by: str | None = None  # what a step is told by, where that is not each operation
    text: int | None = None  # the blob of its lines
    runs: int | None = None  # the blob of their steps
    shown: int | None = None  # how many lines the page has, where not all
    beside: str | None = None  # the file that has all of them then
    absent: str | None = None  # why the page has none
    unread: str | None = None  # why its lines were not read, though its dialect can be


@dataclass(frozen=True, kw_only=True)
class StageText(Content):
    """One text of a cell: a stage, or the program after a pass."""

    n: int  # its place among the record's artifacts
    stage: str
    dialect: str
    family: str
    bytes: int
    sha: str
    lexer: int  # among those of the page
    words: int  # the same
    of: str | None = None  # of a pass: the program or the pipeline
    after: str | None = None  # of a pass: its number and name
    other: bool | None = None  # whether it is a file of the compiler in no dialect that is known


@dataclass(frozen=True)
class ExplorerCell:
    """One record with its texts."""

    id: int
    name: str
    subject: str
    label: str
    size: str  # what the label lacks: see sizes()
    path: str
    status: str
    kind: str | None
    table: StepTable | None
    release: str | None = None  # of its toolchain, where it was asked for
    alike: str | None = None  # what all releases of its cell have in common
    stages: list[StageText] = field(default_factory=list)
    passes: list[StageText] = field(default_factory=list)


def sizes(records: Sequence[Record]) -> list[str]:
    """Of each record the phase with its length, "decode S512", and what else it is of where they differ in that.

    A list shows the one that is chosen without the heading above it: only its name tells it from the others.
    """
    parts = [_parts(record) for record in records]
    told = {name for name in parts[0] if len({one[name] for one in parts}) > 1} | {"phase", "length"} if parts else ()
    return [" ".join(text for name, text in one.items() if name in told and text) for one in parts]


def _parts(record: Record) -> dict[str, str]:
    cell, case = record.cell, record.cell.case
    return {
        "workload": case.workload, "preset": case.config.name, "phase": case.phase.value, "B": f"B{case.B}",
        "length": f"T{case.T}" if case.T == case.S else f"S{case.S}", "dtype": cell.dtype, "tier": record.tier,
        "otherwise": ", ".join(cell.otherwise),
    }  # fmt: skip


def turn(ref: ArtifactRef, name: StageName) -> int:
    """Which texts ask for room before which: whole programs by stage, parts such as kernels, passes, other files."""
    stages = list(Stage)
    if find(ref.dialect) is None or name.is_pass:
        return 2 * len(stages) + (not name.is_pass)
    return stages.index(ref.stage) + len(stages) * bool(name.of)


def numbered(among: list[Any], one: object) -> int:
    """The number of one of the page's lists, to which it is added where it is not in it."""
    if one not in among:
        among.append(one)
    return among.index(one)
