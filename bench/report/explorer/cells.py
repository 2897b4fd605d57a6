"""The Explorer's cells and their texts, as the page's script reads them: a figure that is None is left out there."""

from __future__ import annotations

from dataclasses import dataclass, field

from oneblock.bench.judge.steps import StepTable


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
    of: str | None = None  # of a pass: the program or the pipeline
    after: str | None = None  # of a pass: its number and name


@dataclass(frozen=True)
class ExplorerCell:
    """One record with its texts."""

    id: int
    name: str
    subject: str
    label: str
    phase: str  # with its length, which the label lacks: "decode S512"
    path: str
    status: str
    kind: str | None
    table: StepTable | None
    stages: list[StageText] = field(default_factory=list)
    passes: list[StageText] = field(default_factory=list)
