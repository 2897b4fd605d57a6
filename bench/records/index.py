"""The index of a folder of records: what was read of each, so that a file that is as it was is not read again.

It stands in the user's cache folder and not beside the records, which may be a stranger's: what a folder brings with it
says nothing of its files but what they say themselves. It can be deleted at any time. Whatever is odd about it means
that the records are read.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pydantic_core

from oneblock.bench.records.brief import Alike, Names, Numbers, Parts, brief, packed, to_json, unpacked
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.reading import adapter, without_collection
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Problem, Store, read_all, read_record
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.folders import cache_folder
from oneblock.workloads.models import PRESETS

FEWEST = 100  # records of a folder that has an index: fewer are read as quickly
LARGEST_BYTES = 2**29
_SETTLED_NS = 2 * 10**9  # a file that was touched later may change again within one tick of its file system's clock
_KEPT_DAYS = 60  # an index that nobody wrote anew in so long may be of a folder that is gone
_DIGITS = 64  # of the SHA-256 that stands before an index
_PACKAGE = Path(__file__).resolve().parent.parent.parent

Mark = tuple[int, int, int, int]  # of a file: bytes, ns of its last change of contents and of anything, inode
Entries = dict[str, tuple[Mark, Record]]  # by the names of files
Head = tuple[str, Mark, Names, Numbers]  # of one file: what is known of its record before that is read


def briefs(store: Store, *, indexed: bool = True) -> tuple[list[tuple[Path, Record]], list[Problem]]:
    """As `Store.records`, each record in brief; from the index where that has it of the very file."""
    paths = store.files()
    place = _place(store.directory) if indexed and len(paths) >= FEWEST else None
    if place is None:
        alike = Alike()
        return read_all(paths, lambda path: alike.shared(brief(read_record(path))))
    with without_collection():
        found = _by_index(paths, store.directory, place)
        gc.freeze()  # so many objects that live to the end of the command are not looked through again and again
    return found


def reader(store: Store) -> Callable[[Path], Record]:
    """What reads a file of the store in brief: from the index where that has it of the very file. It writes none."""
    place = _place(store.directory)
    kept = None if place is None else _opened(place, store.directory)

    def read(path: Path) -> Record:
        mark = None if kept is None else kept.mark(path.name)
        if kept is not None and mark is not None and mark == _mark(path):
            with contextlib.suppress(ValueError, LookupError):
                return kept.record(path.name)
        return read_record(path)

    return read


def _by_index(paths: list[Path], directory: Path, place: Path) -> tuple[list[tuple[Path, Record]], list[Problem]]:
    kept, alike = _load(place, directory), Alike()
    entries: Entries = {}
    read = 0

    def look(path: Path) -> Record:
        nonlocal read
        mark = _mark(path)
        entry = kept.get(path.name)
        if entry is None or mark is None or entry[0] != mark:
            read += 1
            entry = None
        record = entry[1] if entry is not None else alike.shared(brief(read_record(path)))
        if mark is not None and (entry is not None or _may_be_kept(path, mark, record)):
            entries[path.name] = (mark, record)
        return record

    found = read_all(paths, look)
    changed = read + len(kept.keys() - entries.keys())
    if 20 * changed >= len(paths):  # a few are read sooner than all is written
        _save(place, directory, entries)
    return found


def _mark(path: Path) -> Mark | None:
    """What tells whether a file is as it was; None of what is no plain file."""
    try:
        about = path.lstat()
    except OSError:
        return None
    plain = stat.S_ISREG(about.st_mode)
    return (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino) if plain else None


def _may_be_kept(path: Path, mark: Mark, record: Record) -> bool:
    """Whether what was read is sure to be of the file with that mark, and of nothing that is not in it.

    The name of a cell depends on what a configuration of that name is here, and others' may change by the day.
    """
    settled = time.time_ns() - max(mark[1], mark[2]) > _SETTLED_NS
    return settled and record.cell.case.config.name in PRESETS and _mark(path) == mark


def _place(directory: Path) -> Path | None:
    """Where the index of a folder is; None where that cannot be told."""
    with contextlib.suppress(OSError, RuntimeError):  # a circle of links, say
        name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
        return cache_folder() / "records" / f"{name}.jsonl"
    return None


@cache
def _by() -> str:
    """A hash of this oneblock: of another, or of sources that were edited, an entry may be made otherwise."""
    folders = [_PACKAGE / name for name in ("backends", "bench", "compilers", "workloads")]
    about = [(path, path.stat()) for folder in folders for path in sorted(folder.rglob("*.py"))]
    sources = [(str(path), one.st_size, one.st_mtime_ns) for path, one in about]
    versions = (version("oneblock"), version("pydantic"), pydantic_core.__version__, platform.python_version())
    return hashlib.sha256(repr((versions, sources)).encode()).hexdigest()


class _Kept:
    """An index as it stands in its file: the marks of all, and of each record its text until it is asked for."""

    def __init__(self, raw: bytes, start: int) -> None:
        """ValueError of what is no index."""
        parts, table, *records = _lines(raw, start)
        self.raw = raw
        self.parts = adapter(Parts).validate_python(pydantic_core.from_json(raw[parts]))
        heads = adapter(list[Head]).validate_python(pydantic_core.from_json(raw[table]))
        self.heads = {head[0]: (head, text) for head, text in zip(heads, records, strict=True)}

    def mark(self, name: str) -> Mark | None:
        """That of the file of a name as its record was read; None where it has none."""
        found = self.heads.get(name)
        return None if found is None else found[0][1]

    def record(self, name: str) -> Record:
        """The record of a name; ValueError or LookupError of what is none."""
        (_, _, told, numbers), text = self.heads[name]
        return unpacked(told, numbers, self.raw[text], self.parts)


def _lines(raw: bytes, start: int) -> Iterator[slice]:
    """Where each line stands, from a place on: a copy of them all would be as large as the file."""
    while (end := raw.find(b"\n", start)) >= 0:
        yield slice(start, end)
        start = end + 1
    yield slice(start, len(raw))


def _opened(place: Path, directory: Path) -> _Kept | None:
    """An index; None where it is absent, damaged, somebody else's, or of another folder or oneblock."""
    with contextlib.suppress(OSError, ValueError):
        if place.lstat().st_uid == os.geteuid():
            raw = read_plain(place, LARGEST_BYTES)
            head = b"\n".join([_digest(memoryview(raw)[_DIGITS + 1 :]), _head(directory), b""])
            if raw.startswith(head):
                return _Kept(raw, len(head))
    return None


def _load(place: Path, directory: Path) -> Entries:
    """All entries of an index; none where one of them is odd."""
    kept = _opened(place, directory)
    with contextlib.suppress(ValueError, LookupError):
        return {} if kept is None else {name: (head[1], kept.record(name)) for name, (head, _) in kept.heads.items()}
    return {}


def _save(place: Path, directory: Path, entries: Entries) -> None:
    """Write an index, and sweep old ones; where that cannot be, the next command reads the records."""
    with contextlib.suppress(OSError, ValueError):
        alike = Alike()
        heads: list[tuple[str, Mark, Names, tuple[int, ...]]] = []
        lines: list[bytes] = []
        for name, (mark, record) in entries.items():
            told, numbers, left = packed(record, alike)
            heads.append((name, mark, told, numbers))
            lines.append(to_json(left))
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for other in place.parent.glob("*.jsonl"):
            if time.time() - other.lstat().st_mtime > _KEPT_DAYS * 86400:
                other.unlink()
        if sum(map(len, lines)) < LARGEST_BYTES // 2:
            whole = b"\n".join([_head(directory), to_json(alike.parts()), to_json(heads), *lines])
            write_whole(place, [_digest(whole), b"\n", whole], 0o600)


def _head(directory: Path) -> bytes:
    return pydantic_core.to_json({"by": _by(), "folder": str(directory.resolve())})


def _digest(text: bytes | memoryview) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
