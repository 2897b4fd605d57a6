"""Finding a record by what a person types: a file, or part of a name or identity."""

from __future__ import annotations

from pathlib import Path

from oneblock.bench.format.errors import Refused, note
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.workloads.ops.nearest import unknown


def find(text: str, directory: Path) -> tuple[Path, Record]:
    """The record that `text` names: a path, or words that one file name in the directory contains."""
    path = Path(text)
    if path.suffix == ".json" or path.is_file():
        return path, read_record(path)
    records = load(Store(directory))
    matching = [(p, r) for p, r in records if all(word in p.name for word in text.split())]
    latest = {record.cell.name: (p, record) for p, record in sorted(matching, key=_when)}
    if len(latest) == 1:
        return next(iter(latest.values()))
    if not latest:
        raise Refused(unknown("record", text, sorted({r.cell.name for _, r in records})))
    names = "\n  ".join(sorted(p.name for p, _ in latest.values()))
    raise Refused(f"{text!r} is in the names of {len(latest)} records; give more of one:\n  {names}")


def load(store: Store) -> list[tuple[Path, Record]]:
    """Every readable record; what cannot be read is said on standard error and left out."""
    records, problems = store.records()
    for problem in problems:
        note(f"oneblock: left out: {problem.why}")
    if not records:
        raise Refused(f"{store.directory}: no records; `oneblock run -o {store.directory}` makes some")
    return records


def newest(records: list[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    """The newest record of each identity."""
    return list({record.identity(): (path, record) for path, record in sorted(records, key=_when)}.values())


def _when(entry: tuple[Path, Record]) -> str:
    return entry[1].created
