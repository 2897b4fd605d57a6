"""`oneblock diff`: what differs between two records, or between a stage of each, by step of the block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from oneblock.bench.commands._choose import one as choose
from oneblock.bench.commands._command import answer, command, index_option, json_option, records_option
from oneblock.bench.commands._completion import RECORD, STEP
from oneblock.bench.format.text import visible
from oneblock.bench.judge.compare import software
from oneblock.bench.judge.diff import Summary, check_subject, chosen, summary
from oneblock.bench.judge.figures import Change
from oneblock.bench.judge.stage_diff import Section, sections
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import check_step, opened
from oneblock.bench.records.store import Store
from oneblock.bench.terminal.screen import show, wants_colours

_STAGES = 40  # of more, as of every pass of a compiler, only those that differ are named


@command(
    "diff",
    'oneblock diff "decode plain tpu_v5e" "decode plain tpu_v6e"',
    "oneblock diff before/one.json after/one.json --stage hlo --step attention",
)
@click.argument("a", type=RECORD)
@click.argument("b", type=RECORD)
@click.option("--stage", help="Compare this stage's texts: S, or SA:SB where it is not the same one in both.")
@click.option("--step", type=STEP, help="Only this step of the block, e.g. attention.")
@click.option("--raw", is_flag=True, help="Leave the texts as they are: numbers of names, metadata, layouts.")
@click.option("--force", is_flag=True, help="Compare records of different workloads all the same.")
@click.option("--no-pager", is_flag=True, help="Print at once what a terminal would page through.")
@records_option
@index_option
@json_option
def COMMAND(
    a: str, b: str, stage: str | None, step: str | None, raw: bool, force: bool, no_pager: bool, directory: Path,
    indexed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Say what differs between two records: counts by step, times, errors and memory, with --stage the lines.

    A and B are files, or words that a file's name contains, as in `oneblock show`. Only what both have is compared,
    each figure with its kind; counts of different things stand side by side and are never subtracted. Exit status: 0 if
    they are the same (times, errors and memory are not asked), 1 if they differ, 2 if they cannot be compared: also
    where all that was read is the same, and a stage was not read or only one of them has it. Of two that have no count
    and no stage in common the times are asked.
    """
    (left, one), (right, two) = (choose(name, directory, indexed=indexed, ask=not as_json) for name in (a, b))
    stores = (Store(left.parent), Store(right.parent))
    if not force:
        check_subject(one, two)
    if step is not None:
        check_step(one, step)
        check_step(two, step)
    heading = [f"A: {visible(str(left))}", f"B: {visible(str(right))}", *_apart(one, two)]
    if stage is None:
        found = summary(one, two, stores, step, raw)
        if as_json:
            answer({"same": found.same, **_as_json(found)})
        else:
            show([*heading, *_summary(found)], pager=False)
        raise SystemExit({True: 0, False: 1, None: 2}[found.same])
    refs = chosen(one, two, stage)
    (first,), (second,) = opened(one, refs[:1], stores[0]), opened(two, refs[1:], stores[1])
    parts = sections(first, second, step, raw)
    same = all(part.same for part in parts)
    if as_json:
        answer({"same": same, "a": refs[0].dialect, "b": refs[1].dialect, "steps": [_section(part) for part in parts]})
    else:
        read, alike = first.lines is not None and second.lines is not None, first.family == second.family
        show([*heading, *_texts(parts, refs, read=read, raw=raw, alike=alike)], pager=not no_pager)
    raise SystemExit(0 if same else 1)


def _apart(a: Record, b: Record) -> Iterator[str]:
    """How the two cells differ, and their software: why the rest may."""
    left, right = a.cell.keys(), b.cell.keys()
    differ = [
        f"{key} {left.get(key)} -> {right.get(key)}"
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]
    if differ or software(a, b):
        yield visible(f"differ in {'; '.join((*differ, *software(a, b)))}")


def _summary(found: Summary) -> Iterator[str]:
    width = max(map(len, (*found.steps, *found.measured)), default=0)
    for step, changes in found.steps.items():
        yield visible(f"{step:<{width}}  {_line(changes)}")
    for name, changes in found.measured.items():
        yield visible(f"{name:<{width}}  measured: {'; '.join(map(str, changes))}")
    if found.time is not None:
        d, refused = found.time.difference, found.time.refused
        said = (
            f"{d.verdict}: B / A = {d.ratio:.3f}, {d.low:.3f} to {d.high:.3f}; {d.why}"
            if d
            else f"not compared: {refused}"
        )
        yield visible(f"cold time (measured): {said}")
    many = len(found.stages) > _STAGES
    for stage in found.stages:
        if many and stage.same is not False:
            continue
        state = {True: "the same", False: "differs", None: "not read"}[stage.same]
        lines = f", {stage.lines[0]} -> {stage.lines[1]} lines" if stage.lines and not stage.same else ""
        why = "" if stage.same else f", {stage.why}" if stage.why else ""
        yield visible(f"stage {stage.dialect}: {state}{lines}{why}")
    if many:
        counts = Counter(stage.same for stage in found.stages)
        yield f"{counts[True]} stages have the same text, {counts[None]} were not read (--stage NAME reads one)"
    for name, alone in zip("AB", found.alone, strict=True):
        if alone:
            more = f" and {len(alone) - _STAGES} more" if len(alone) > _STAGES else ""
            yield visible(f"stages not read, as only {name} has them: {', '.join(alone[:_STAGES])}{more}")
    yield from found.notes


def _line(changes: list[Change]) -> str:
    """What moved, by kind; what did not is counted."""
    moved: dict[str, list[str]] = {}
    for change in changes:
        if not change.same:
            moved.setdefault(change.kind, []).append(str(change))
    still = sum(change.same for change in changes)
    parts = [f"{kind}: {'; '.join(each)}" for kind, each in moved.items()]
    return " | ".join([*parts, f"{still} figure{'s' * (still != 1)} the same"] if still else parts)


def _texts(
    parts: list[Section], refs: tuple[ArtifactRef, ArtifactRef], *, read: bool, raw: bool, alike: bool
) -> Iterator[str]:
    """The summary of every step, then the lines of those that differ."""
    names = [visible(ref.dialect) for ref in refs]
    how = "as written" if raw else "without numbers of names, metadata and layouts (--raw has them)"
    yield f"--- {names[0]}   +++ {names[1]}   texts {how}"
    if not read:
        yield "no step attribution for this dialect: the texts are compared whole"
    for part in parts:
        yield f"{part.step or '(no step)':<10} {_counts(part, alike)}"
    for part in parts:
        if part.hunks:
            yield ""
            yield _style(f"== {part.step or '(no step)'}", "bold")
            yield from (_style(visible(line), line[:1]) for line in part.hunks)


def _counts(part: Section, alike: bool) -> str:
    """Lines, and the operations whose number differs; those of two dialects are listed apart."""
    lines = f"{len(part.before)} -> {len(part.after)} lines"
    said = f"{lines}, the same" if not part.hunks else f"{lines} (-{part.removed} +{part.added})"
    if alike:
        moved = ", ".join(f"{name} {a} -> {b} ({b - a:+d})" for name, (a, b) in sorted(part.moved().items()))
        return f"{said}; {visible(moved)}" if moved else said
    first, second = (", ".join(f"{name} {n}" for name, n in each.most_common()) or "none" for each in part.operations)
    return f"{said}; operations of A: {visible(first)}; of B: {visible(second)}"


def _style(line: str, mark: str) -> str:
    styles: dict[str, dict[str, Any]] = {
        "-": {"fg": "red"},
        "+": {"fg": "green"},
        "@": {"fg": "cyan"},
        "bold": {"bold": True},
    }
    return click.style(line, **styles[mark]) if mark in styles and wants_colours() else line


def _as_json(found: Summary) -> dict[str, Any]:
    counts, measured = (
        {
            name: [
                {"name": c.name, "kind": c.kind, "unit": c.before.unit, "before": c.before.value,
                 "after": c.after.value, "counts": [c.before.of, c.after.of], "difference": c.difference}
                for c in changes
            ]
            for name, changes in each.items()
        }
        for each in (found.steps, found.measured)
    )  # fmt: skip
    stages = [{"dialect": s.dialect, "same": s.same, "lines": s.lines, "why": s.why} for s in found.stages]
    alone = dict(zip("ab", found.alone, strict=True))
    told = {"steps": counts, "measured": measured, "time": found.time, "stages": stages}
    return told | {"stages_of_one": alone, "notes": found.notes}


def _section(part: Section) -> dict[str, Any]:
    lines = {"before": len(part.before), "after": len(part.after), "removed": part.removed, "added": part.added}
    return {"step": part.step or None, "lines": lines, "operations": part.moved(), "diff": part.hunks}
