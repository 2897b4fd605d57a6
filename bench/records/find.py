"""Finding a record by what a person types: a file, or part of a name or identity."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.records.index import briefs
from oneblock.bench.records.order import in_order
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record

_LISTED = 100  # of several that may be meant; more is given more of by nobody who reads them
_NEAR = 8


class Several(Refused):
    """A text that several records are meant by."""

    def __init__(self, text: str, candidates: Sequence[tuple[Path, Record]]) -> None:
        self.candidates = sorted(candidates, key=lambda one: one[0].name)
        lines = [f"{path.name}  ({record.where})" for path, record in self.candidates[:_LISTED]]
        lines += [f"and {len(candidates) - _LISTED} more"] if len(candidates) > _LISTED else []
        listed = "\n  ".join(lines)
        super().__init__(f"{text!r} is in the names of {len(candidates)} records; give more of one:\n  {listed}")


def find(text: str, directory: Path, *, indexed: bool = True) -> tuple[Path, Record]:
    """The record that `text` names: a path, a name or identity, or words that one file name in the directory contains.

    Of several records of one cell, tier and machine the newest is meant. Refused if others are left, with the choices.
    """
    path = Path(text)
    if path.suffix == ".json" or os.path.isfile(path):  # which says no of a text that is too long for a path
        return path, read_record(path)
    records = load(Store(directory), indexed=indexed)
    for meant in (_named, _has_words, _contains, _has_parts):
        found = {record.place(): (p, record) for p, record in records if meant(text, p, record)}
        if len(found) == 1:
            (path, _), *_ = found.values()
            return path, read_record(path)
        if found:
            raise Several(text, list(found.values()))
    raise Refused(_unknown(text, {record.cell.name for _, record in records}))


def _named(text: str, path: Path, record: Record) -> bool:
    return text in (record.cell.name, record.identity(), path.name, path.stem)


def _has_words(text: str, path: Path, _: Record) -> bool:
    """Whether each word is a part of the name, so that T1 is not taken for T16."""
    return all(re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", path.name) for word in text.split())


def _contains(text: str, path: Path, _: Record) -> bool:
    return all(word in path.name for word in text.split())


def _has_parts(text: str, path: Path, _: Record) -> bool:
    """Whether the name has all parts of it, in whatever order: "v5e-plain" of "plain-tpu_v5e"."""
    return _parts(text) <= _parts(path.name)


def _parts(text: str) -> set[str]:
    return set(re.split(r"[\s_.-]+", text)) - {""}


def _unknown(text: str, names: Collection[str]) -> str:
    """The sentence for what no record is called, with those that share most of its parts."""
    shared = {name: len(_parts(text) & _parts(name)) for name in names}
    near = [name for name in sorted(names) if shared[name] == max(shared.values()) > 0]
    if not near:
        return f"none of {len(names)} cells with a record has {text!r} in its name; `oneblock show` lists them"
    more = [f"and {len(near) - _NEAR} more"] if len(near) > _NEAR else []
    listed = "\n  ".join([*near[:_NEAR], *more])
    return f"no record has all of {text!r} in its name; the nearest:\n  {listed}"


def load(store: Store, *, indexed: bool = True, whole: bool = False) -> list[tuple[Path, Record]]:
    """Every readable record, in brief or whole, the last made last; what cannot be read is said on standard error."""
    records, problems = store.records() if whole else briefs(store, indexed=indexed)
    for problem in problems:
        note(f"oneblock: left out: {problem.why}")
    if not records:
        raise Refused(f"{store.directory}: no records; `oneblock run -o {store.directory}` makes some")
    return in_order(records)
