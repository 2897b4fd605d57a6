"""The data of the report's Explorer: each record's stages as text, and of which step of the block each line is.

Texts travel in the page compressed, until its budget is used: whole programs first, the earlier stages before the
later, then their parts, passes, and a compiler's other files. A text that is too long is cut at a line, and then lies
whole in a folder beside the page; texts over the budget are named by path.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from oneblock.bench.format.text import plain
from oneblock.bench.judge.steps import NONE, counted, table
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import context_of
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.bench.report.explorer.cells import Content, ExplorerCell, StageText, numbered, sizes, turn
from oneblock.bench.report.explorer.files import name_beside
from oneblock.bench.report.explorer.shares import Attribution, shares
from oneblock.compilers import dialects
from oneblock.compilers.dialects import Context, Lexer, Lines, StageName, Steps, Words, find, read, refused
from oneblock.workloads.ops.definitions import STEPS

BUDGET = 2_600_000  # characters of the page for texts, so that all of it stays below 5 MB
LONGEST = 150_000  # characters of one text in the page
MOST_READ = 40_000_000  # characters that are looked at in all: a page of thousands of records must come to an end


@dataclass
class Explorer:
    """What the page holds, as plain data, and the files that belong beside it."""

    cells: list[ExplorerCell] = field(default_factory=list)
    sets: list[Steps] = field(default_factory=lambda: [()])  # sets of steps, which lines name by their number
    lexers: list[Lexer] = field(default_factory=list)  # which stages name by their number
    words: list[Words] = field(default_factory=list)  # the same
    blobs: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)  # file name: text, of the folder beside the page

    @property
    def attribution(self) -> list[Attribution]:
        """The step attribution of each cell, by stage."""
        return [Attribution(cell.name, cell.label, cell.subject, shares(cell.stages)) for cell in self.cells]

    @property
    def without_text(self) -> int:
        """How many stages and passes the page names without their text, which found no room or is gone."""
        return sum(one.absent is not None for cell in self.cells for one in (*cell.stages, *cell.passes))

    @property
    def json(self) -> str:
        """All as JSON, with no character that means something to HTML."""
        told = {step for steps in self.sets for step in steps}
        data = {
            "steps": [*(step for step in STEPS if step in told), NONE],
            "sets": self.sets,
            "cells": self.cells,
            "blobs": self.blobs,
            "lexers": [one.rules for one in self.lexers],
            "words": [one.told for one in self.words],
        }
        text = json.dumps(data, separators=(",", ":"), allow_nan=False, default=_as_data)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _as_data(one: object) -> dict[str, Any]:
    """A dataclass as JSON has it, without what is None."""
    return {name: value for name, value in vars(one).items() if value is not None}


@dataclass(frozen=True)
class _Job:
    """One artifact of one record, in the order in which it asks for room."""

    rank: tuple[int, int, int]
    cell: ExplorerCell
    context: Context
    known: str  # of the context, to tell it from others
    ref: ArtifactRef
    name: StageName
    store: Store


def explore(records: Sequence[tuple[Path, Record]], folder: str = "stages", budget: int = BUDGET) -> Explorer:
    """The Explorer of records with stages; `folder` is the name of the one beside the page."""
    made = Explorer()
    jobs: list[_Job] = []
    having = [(path, record) for path, record in records if record.artifacts]
    having.sort(key=lambda entry: (entry[1].cell.name, entry[1].tier))
    for (path, record), size in zip(having, sizes([record for _, record in having]), strict=True):
        made.cells.append(_cell(len(made.cells), path, record, size))
        jobs += _jobs(made.cells[-1], path, record)
    writer = _Writer(made, folder, budget)
    for job in sorted(jobs, key=lambda one: one.rank):
        writer.add(job)
    for cell in made.cells:
        cell.stages.sort(key=lambda stage: (stage.other or False, stage.n))
        cell.passes.sort(key=lambda stage: stage.n)
    return made


def _cell(number: int, path: Path, record: Record, size: str) -> ExplorerCell:
    cell, facts = record.cell, record.facts
    return ExplorerCell(
        id=number,
        name=plain(cell.name),
        subject=plain(cell.subject),
        label=plain(f"{cell.backend} · {cell.ops} · {cell.target}"),
        size=plain(size),
        path=plain(path.name),
        status=record.status.value,
        kind=record.kind.value if record.kind else None,
        table=table(facts) if facts else None,
        release=plain(cell.toolchain) if cell.toolchain else None,
        alike=replace(cell, toolchain=None).key if cell.toolchain else None,
    )


def _jobs(cell: ExplorerCell, path: Path, record: Record) -> Iterator[_Job]:
    store = Store(path.parent)
    context = context_of(record, store)
    known = str(sorted(context.kernels.items()))
    for number, ref in enumerate(record.artifacts):
        name = StageName.parse(ref.dialect)
        yield _Job((turn(ref, name), number, cell.id), cell, context, known, ref, name, store)


class _Writer:
    """Puts stages into an Explorer until its budget is used; an identical text is stored once."""

    def __init__(self, made: Explorer, folder: str, budget: int) -> None:
        self.made, self.folder, self.left, self.unread = made, folder, budget, MOST_READ
        self.full, self.little = False, budget // 50  # with so little left, the next that finds no room is the last
        self.sets: dict[Steps, int] = {(): 0}
        self.seen: dict[str, int] = {}  # SHA-256 of what a blob holds: its number
        self.kept: dict[tuple[str, str, str], Content] = {}

    def add(self, job: _Job) -> None:
        """One artifact; whatever happens to its text, the page names it."""
        ref, name = job.ref, job.name
        key = (ref.sha256, ref.dialect, job.known)
        if key not in self.kept:
            self.kept[key] = self._content(job)
        stage = StageText(
            n=job.rank[1],
            stage=ref.stage.value,
            dialect=plain(ref.dialect),
            family=plain(name.family),
            bytes=ref.bytes,
            sha=ref.sha256[:16],
            lexer=numbered(self.made.lexers, dialects.lexer(ref.dialect)),
            words=numbered(self.made.words, dialects.words(ref.dialect)),
            other=None if find(ref.dialect) else True,
            of=plain(name.of) if name.is_pass else None,
            after=plain(f"{name.number:03d} {name.after_pass}") if name.is_pass else None,
            **vars(self.kept[key]),
        )
        (job.cell.passes if name.is_pass else job.cell.stages).append(stage)

    def _content(self, job: _Job) -> Content:
        path = f"artifacts/{job.store.artifact_path(job.ref.sha256).name}"
        no_room = f"no room in the page: {path} has it"
        if self.full or self.unread < job.ref.bytes:
            return Content(absent=no_room, unread=_unread(job.ref, "no room"))
        try:
            text = job.store.text(job.ref)
        except StoreError:
            gone = f"{path} is not there, or not the text of its record: `oneblock run --again` writes it anew"
            return Content(absent=gone, unread=_unread(job.ref, "its file is gone"))
        self.unread -= len(text)
        # What is shown of a pass is a difference, and no step.
        lines, found = text.splitlines(), None if job.name.is_pass else read(job.ref.dialect, text, job.context)
        codes = list(zip(found.steps, found.operations, strict=True)) if found else []
        content = _attribution(len(lines), found)  # known, room for the text or not
        if found is None and not job.name.is_pass and (why := refused().get(job.name.family)) is not None:
            content = replace(content, unread=plain(why))
        shown = _cut(lines)
        body, runs = plain("\n".join(lines[:shown])), json.dumps(self._runs(codes[:shown]), separators=(",", ":"))
        place, where = self._blob(body), self._blob(runs)
        if place is None or where is None:
            return replace(content, absent=no_room)
        content = replace(content, text=place, runs=where)
        if shown < len(lines):
            content = replace(content, shown=shown, beside=f"{self.folder}/{self._beside(job.ref, text)}")
        return content

    def _runs(self, codes: Sequence[tuple[Steps, bool]]) -> list[int]:
        """Pairs of (number of lines, twice the number of their set of steps, plus 1 for operations)."""
        flat: list[int] = []
        for (steps, is_one), group in groupby(codes):
            flat += [sum(1 for _ in group), 2 * self._set(steps) + is_one]
        return flat

    def _set(self, steps: Steps) -> int:
        if steps not in self.sets:
            self.sets[steps] = len(self.sets)
            self.made.sets.append(steps)
        return self.sets[steps]

    def _blob(self, text: str) -> int | None:
        """The number of a compressed text; None where it finds no room, which smaller ones still may."""
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if name not in self.seen:
            packed = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode()
            if len(packed) > self.left:
                self.full = self.left < self.little
                return None
            self.left -= len(packed)
            self.seen[name] = len(self.made.blobs)
            self.made.blobs.append(packed)
        return self.seen[name]

    def _beside(self, ref: ArtifactRef, text: str) -> str:
        name = name_beside(ref.dialect, ref.sha256)
        self.made.beside[name] = text
        return name


def _attribution(lines: int, found: Lines | None) -> Content:
    """What the lines of a text tell of steps, where they are read."""
    if found is None:
        return Content(lines=lines)
    counts = counted(zip(found.steps, found.operations, strict=True))
    by = None if found.by == "operation" else found.by
    return Content(lines=lines, share=found.attributed, operations=sum(found.operations), counts=counts, by=by)


def _unread(ref: ArtifactRef, why: str) -> str | None:
    """Why a text was not read; None without step attribution for its dialect."""
    known = find(ref.dialect)
    return why if known is not None and known.reader is not None else None


def _cut(lines: Sequence[str]) -> int:
    """How many lines the page shows: all, or as many as LONGEST characters hold, and one at the least."""
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > LONGEST:
            return max(1, number)
    return len(lines)
