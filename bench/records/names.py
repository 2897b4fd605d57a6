"""Names that become files: of cells, records, kernels and dialects, which may hold anything."""

from __future__ import annotations

import re

from oneblock.bench.cells.cell import digest

_OTHER = re.compile(r"[^A-Za-z0-9_.+@,%=~-]+")
_NUMBER = re.compile(r"Z\.(\d{6,12})(~\d+)?\.json")  # in the name of a record's file, behind its time
_IDENTITY = re.compile(r"\.([0-9a-f]{16})(?=\.)")  # in the name of a record's file, behind the cell's
_LONGEST = 160  # characters, of the 255 bytes that file systems have: the rest is for what stands before and behind


def file_name(text: str) -> str:
    """A name that stays within its folder: as the text where that can be one, else what can of it, and a hash of all.

    Two texts have two names. Never empty, hidden, a path, or longer than a file system takes.
    """
    kept = _OTHER.sub("_", text).lstrip(".-")
    if kept == text and text and len(text) <= _LONGEST:
        return text
    return f"{kept[:_LONGEST]}~{digest(text)}"


def identities_in(name: str) -> list[str]:
    """What may be the identity of a record, of the name of its file."""
    return _IDENTITY.findall(name)


def cell_of(name: str) -> str:
    """The cell of a record, as the name of its file has it: what stands before the identity."""
    found = _IDENTITY.search(name)
    return name[: found.start()] if found else name.removesuffix(".json")


def number_of(name: str) -> int:
    """The number of a record among those of its folder, as the name of its file has it; 0 where that has none."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else 0
