"""The time of a record, by which records are put in order: the clock's, unless that stands still or goes back."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from oneblock.bench.records.store import read_record
from oneblock.bench.records.texts import StoreError

_STAMP = re.compile(r"\.(\d{8}T\d{6}\.\d{3}Z)(~\d+)?\.json")  # in the name of a record's file


def stamp(created: str) -> str:
    """A time as it stands in the name of a record's file: 20261123T111600.000Z."""
    return created.replace(":", "").replace("-", "")


def moment(directory: Path, told: str) -> str:
    """A time later than that of every record in a directory: the one that the clock told, if it is.

    Else the last record's and a millisecond, so that the order of records is that in which they were made, whatever
    clocks do. What the clock told of each launch stays in the record. A name alone proves nothing.
    """
    later = [(found[1], path) for path in directory.glob("*.json") if (found := _STAMP.search(path.name))]
    for _, path in sorted((one for one in later if one[0] >= stamp(told)), reverse=True):
        with suppress(StoreError, ValueError, OverflowError):
            last = read_record(path).created
            if last >= told:
                after = datetime.fromisoformat(last) + timedelta(milliseconds=1)
                return after.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return told
