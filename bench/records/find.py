"""Finding a record by what a person types: a file, or part of a name or identity."""

from __future__ import annotations

import os
import re
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.records.index import briefs
from oneblock.bench.records.order import in_order
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.workloads.ops.nearest import unknown


def find(text: str, directory: Path, *, indexed: bool = True) -> tuple[Path, Record]:
    """The record that `text` names: a path, a name or identity, or words that one file name in the directory contains.

    Of several records of one cell, tier and machine the newest is meant. Refused if others are left, with the choices.
    """
    path = Path(text)
    if path.suffix == ".json" or os.path.isfile(path):  # which says no of a text that is too long for a path
        return path, read_record(path)
    records = load(Store(directory), indexed=indexed)
    for meant in (_named, _has_words, _contains):
        found = {record.place(): (p, record) for p, record in records if meant(text, p, record)}
        if len(found) == 1:
            (path, _), *_ = found.values()
            return path, read_record(path)
        if found:
            choices = "\n  ".join(sorted(f"{p.name}  ({record.where})" for p, record in found.values()))
            raise Refused(f"{text!r} is in the names of {len(found)} records; give more of one:\n  {choices}")
    raise Refused(unknown("record", text, sorted({r.cell.name for _, r in records})))


def _named(text: str, path: Path, record: Record) -> bool:
    return text in (record.cell.name, record.identity(), path.name, path.stem)


def _has_words(text: str, path: Path, _: Record) -> bool:
    """Whether each word is a part of the name, so that T1 is not taken for T16."""
    return all(re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", path.name) for word in text.split())


def _contains(text: str, path: Path, _: Record) -> bool:
    return all(word in path.name for word in text.split())


def load(store: Store, *, indexed: bool = True, whole: bool = False) -> list[tuple[Path, Record]]:
    """Every readable record, in brief or whole, the last made last; what cannot be read is said on standard error."""
    records, problems = store.records() if whole else briefs(store, indexed=indexed)
    for problem in problems:
        note(f"oneblock: left out: {problem.why}")
    if not records:
        raise Refused(f"{store.directory}: no records; `oneblock run -o {store.directory}` makes some")
    return in_order(records)
