"""What driver and node say to each other: plain data as JSON, read by each as a stranger's."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Environment, Sha256
from oneblock.bench.records.store import to_json
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES
from oneblock.bench.worker.watch import first_fault
from oneblock.compilers import Detail
from oneblock.compilers.api.kind import STRICT

Name = Annotated[str, Field(max_length=200)]
KNOWN_BY = 16  # digits of a hash
Beginning = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{KNOWN_BY}}}$")]
_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("backends", "bench", "compilers", "workloads")


class Misspoken(ValueError):
    """What is no message of the kind that was expected; the end of a sentence."""


@dataclass(frozen=True)
class NodeBounds:
    """What a process of a cell may use on a node; None: what the node itself takes by default."""

    __pydantic_config__: ClassVar[Any] = STRICT
    threads: int | None
    timeout_s: float
    memory_bytes: int | None


@dataclass(frozen=True)
class GreetRequest:
    """Who are you, and of what would the outcomes of these cells depend on you?"""

    __pydantic_config__: ClassVar[Any] = STRICT
    cells: tuple[Cell, ...]
    within: NodeBounds


@dataclass(frozen=True)
class Greeting:
    """A node's answer: itself, and the software of each cell, where many have the same."""

    __pydantic_config__: ClassVar[Any] = STRICT
    name: Name
    oneblock: str | None
    source_sha256: Sha256  # of all its sources
    clock_s: float  # of its own clock, since 1970
    free_bytes: int  # on the disk on which it works
    environment: Environment
    software: tuple[dict[str, str | None], ...]
    of_cells: tuple[int, ...]  # which of these is a cell's


@dataclass(frozen=True)
class ProbeRequest:
    """What has it of these backends, or for these pairs?"""

    __pydantic_config__: ClassVar[Any] = STRICT
    backends: tuple[str, ...]
    pairs: tuple[tuple[str, Target], ...]
    within: NodeBounds


@dataclass(frozen=True)
class ProbeAnswer:
    """A row for each platform, or pair."""

    __pydantic_config__: ClassVar[Any] = STRICT
    rows: tuple[PlatformProbe, ...]


@dataclass(frozen=True)
class CellRequest:
    """Make a record of this cell, and send it with the texts of its stages that are not here."""

    __pydantic_config__: ClassVar[Any] = STRICT
    known: tuple[Beginning, ...]  # of the hashes of texts that are here: they need not travel
    cell: Cell
    tier: str
    within: NodeBounds
    seed: int
    detail: Detail
    elsewhere: bool  # it runs nothing there
    untimed: bool  # what it runs there is not timed


@dataclass(frozen=True)
class JobRequest:
    """Launch this job, as it crosses to a worker."""

    __pydantic_config__: ClassVar[Any] = STRICT
    job: dict[str, Any]
    within: NodeBounds


def read(kind: Any, raw: bytes) -> Any:
    """A message of a kind; Misspoken says why it is none."""
    try:
        return adapter(kind).validate_json(raw)
    except ValidationError as error:
        raise Misspoken(f"expected a {kind.__name__}, got {first_fault(error)}") from error


def written(message: Any) -> bytes:
    """A message as it crosses."""
    return to_json(message)


def with_texts(record: bytes, texts: dict[str, str]) -> bytes:
    """A record as it was written, and texts by their hashes."""
    return b"%d\n" % len(record) + record + zlib.compress(to_json(texts), 1)


def parted(raw: bytes) -> tuple[bytes, dict[str, str]]:
    """The record, and the texts: none of what is none, or would fill the memory. Misspoken where there is no record."""
    count, _, rest = raw.partition(b"\n")
    if not count.isdigit() or len(count) > 12 or int(count) > len(rest):
        raise Misspoken("expected a record with its texts, got neither")
    size = int(count)
    try:
        opened = zlib.decompressobj()
        text = opened.decompress(rest[size:], LARGEST_TEXT_BYTES)
        found = json.loads(text) if not opened.unconsumed_tail else None
    except (zlib.error, ValueError, RecursionError):
        found = None
    texts = {one: of for one, of in found.items() if isinstance(of, str)} if isinstance(found, dict) else {}
    return rest[:size], texts


@cache
def source_sha256() -> str:
    """A hash of all sources of this oneblock that may make a number, in whatever folder it is installed."""
    total = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            total.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
