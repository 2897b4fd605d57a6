"""The order of records: within a folder that in which they were made, whatever clocks do; between folders by time.

A record has a number, one more than the largest of its folder when it was made. Those that two runs make in the same
moment may have one number, and are then in the order of their times; those of an earlier oneblock have none, and are
before all others.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oneblock.bench.records.names import number_of
from oneblock.bench.records.record import LARGEST_NUMBER, Record
from oneblock.bench.records.store import read_record
from oneblock.bench.records.texts import StoreError

Entry = tuple[Path, Record]


def next_number(directory: Path) -> int:
    """One more than that of any record in a directory; a name alone proves nothing."""
    numbered = [(number, path) for path in directory.glob("*.json") if (number := number_of(path.name))]
    for number, path in sorted(numbered, reverse=True):
        with suppress(StoreError):
            if read_record(path).number == number:
                return min(number + 1, LARGEST_NUMBER)
    return 1


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Records of any folders, the last made last."""
    folders: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=_made):
        folders.setdefault(os.path.dirname(entry[0]), []).append(entry)  # `parent` makes a path of each
    return list(heapq.merge(*folders.values(), key=lambda entry: entry[1].created))


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """The newest record of each identity."""
    return list({record.identity(): (path, record) for path, record in in_order(entries)}.values())


def _made(entry: Entry) -> tuple[int, str]:
    return entry[1].number or 0, entry[1].created
