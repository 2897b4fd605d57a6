"""The shape of a section: what a folder of `sections/` declares, and the table that it may export."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind

RESERVED = frozenset({"format", "version", "title", "against", "left_out"})  # of report.json, beside the tables
FRAME_IDS = frozenset({"page", "filters", "plots"})  # of the page around the sections
OPEN = 3  # parts of a section, such as subjects: more are folded, each under its heading
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Table:
    """Rows for other programs: NAME.csv of an export, and the list NAME in its report.json."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Study], Iterable[Mapping[str, Value]]]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in RESERVED:
            raise ValueError(f"a table's name is {_NAME.pattern} and none of {sorted(RESERVED)}, not {self.name!r}")
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError(f"table {self.name} needs columns of different names, not {self.columns!r}")


@dataclass(frozen=True)
class Section:
    """A part of the page: where it stands, what it is called, and what its template draws."""

    title: str
    anchor: str  # its id in the page, which links and the contents name
    order: int  # sections stand by it, and by the names of their folders
    build: Callable[[Study], object | None]  # `data` of section.html; None leaves the section out of the page
    kinds: tuple[Kind, ...] = ()  # of the evidence that its numbers are; () where it has none
    contents: str = ""  # what the table of contents calls it, where that is not the title
    table: Table | None = None

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("a section needs a title, and this one's is empty")
        if not _NAME.fullmatch(self.anchor) or self.anchor in FRAME_IDS:
            raise ValueError(f"an anchor is {_NAME.pattern} and none of {sorted(FRAME_IDS)}, not {self.anchor!r}")
