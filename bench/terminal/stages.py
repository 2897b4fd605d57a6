"""Stages on the terminal: a text, the lines of one step with their numbers, and what a record's stages come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from oneblock.bench.format.text import visible
from oneblock.bench.format.units import size
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import StageText
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.screen import coloured
from oneblock.compilers.dialects import Lines, refused

UNREAD = "no step attribution for this dialect"
NAMELESS = "no operation of this text names a step: a record from before; `oneblock run --again` makes it anew"
_FEW = 3  # texts of one dialect that have a line each
_SHOW = "oneblock show ... --stage"
_MOST = 5  # of the operations that are named, the most frequent


def listed_stages(record: Record) -> Iterator[str]:
    """A line for each stage that a record has; of many texts of one dialect one for them all."""
    families: dict[tuple[str, str], list[ArtifactRef]] = {}
    for ref in record.artifacts:
        families.setdefault((ref.stage, ref.dialect.partition(":")[0]), []).append(ref)
    for (stage, family), refs in families.items():
        total = size(sum(ref.bytes for ref in refs))
        if len(refs) <= _FEW:
            yield from (f"stage {stage}: {ref.dialect}, {size(ref.bytes)} ({_SHOW} {ref.dialect})" for ref in refs)
            continue
        some = ", ".join(ref.dialect.partition(":")[2] for ref in refs[:_FEW])
        yield f"stage {stage}: {family}, {len(refs)} texts, {total}: {some}, ... ({_SHOW} {family}:NAME)"


def step_lines(stages: Sequence[StageText], step: str) -> Iterator[str]:
    """Each stage's lines of a step under a heading, "..." where lines of other steps were left out."""
    for stage in stages:
        dialect = visible(stage.dialect)
        if stage.lines is None:
            yield f"== {stage.ref.stage} {dialect}: {_unread(stage)}"
            continue
        numbers = stage.of(step)
        yield f"== {stage.ref.stage} {dialect}: {len(numbers)} of {len(stage.rows)} lines are of {step}"
        if not numbers and stage.lines.attributed == 0:
            yield NAMELESS
        yield from _numbered(stage, numbers)


def _unread(stage: StageText) -> str:
    """Why its lines have no steps; somebody's dialect may be installed, and be left out."""
    why = refused().get(stage.family)
    return UNREAD if why is None else f"{UNREAD} ({visible(why)})"


def _numbered(stage: StageText, numbers: Sequence[int]) -> Iterator[str]:
    rows, width = stage.rows, len(str(len(stage.rows)))
    shown = coloured(stage.dialect, "\n".join(visible(rows[number]) for number in numbers)).split("\n")
    before = -1
    for number, row in zip(numbers, shown, strict=False):
        if number != before + 1:
            yield f"{'...':>{width}}"
        yield f"{number + 1:>{width}}  {row}"
        before = number
    if numbers and before + 1 < len(rows):
        yield f"{'...':>{width}}"


def chosen(stages: Sequence[StageText], step: str | None) -> list[dict[str, Any]]:
    """Stages for JSON: the text, or with a step its lines, None without step attribution."""
    found: list[dict[str, Any]] = []
    for stage in stages:
        about: dict[str, Any] = {"stage": stage.ref.stage.value, "dialect": stage.dialect}
        if step is None:
            found.append(about | {"text": stage.text})
            continue
        rows, read = stage.rows, stage.lines is not None
        lines = [{"line": number + 1, "text": rows[number]} for number in stage.of(step)]
        found.append(about | {"step": step, "lines": lines if read else None})
    return found


def statistics(stages: Sequence[StageText]) -> list[dict[str, Any]]:
    """What each stage comes to, for JSON; None without step attribution."""
    return [
        {
            "stage": stage.ref.stage.value,
            "dialect": stage.dialect,
            "lines": len(stage.rows),
            "operations": None if stage.lines is None else sum(stage.lines.operations),
            "by_step": None if stage.lines is None else dict(stage.by_step()),
            "attributed": None if stage.lines is None else stage.lines.attributed,
            "attributed_by": None if stage.lines is None else stage.lines.by,
            "unreached": None if stage.lines is None else stage.lines.unreached,
            "most_frequent": None if stage.lines is None else dict(stage.operations().most_common(_MOST)),
        }
        for stage in stages
    ]


def table(stages: Sequence[StageText]) -> Table:
    """The same for people."""
    title = "stages   (operations: lines that are one, each once; attributed: the share of them that has a step)"
    found = Table(title=title, title_justify="left", title_style="bold")
    found.add_column("stage")
    found.add_column("dialect", overflow="fold", max_width=40)
    for column in ("lines", "operations", "attributed"):
        found.add_column(column, justify="right")
    for column in ("operations by step", "most frequent"):
        found.add_column(column, overflow="fold")
    for stage in stages:
        where = (stage.ref.stage.value, Text(visible(stage.dialect)), f"{len(stage.rows):,}")
        if stage.lines is None:
            found.add_row(*where, "", "", Text(_unread(stage), style="yellow"), "")
            continue
        share = stage.lines.attributed
        operations = f"{sum(stage.lines.operations):,}"
        most = Counter(dict(stage.operations().most_common(_MOST)))
        percent = "none is one" if share is None else _percent(share, stage.lines)
        by_step = Counter({step or "(none)": count for step, count in stage.by_step().items()})
        found.add_row(*where, operations, percent, Text(_listed(by_step)), Text(_listed(most)))
    return found


def _percent(share: float, lines: Lines) -> str:
    by = f" (by {lines.by})" if lines.by != "operation" else ""
    return f"{share:.1%}{by}" + (f"; {lines.unreached} not reached by a call" if lines.unreached else "")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{visible(name)} {count}" for name, count in counts.items())
