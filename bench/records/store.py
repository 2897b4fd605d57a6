"""A directory of records: append-only, one file each, and safe against being killed at any moment.

RECORDS/NAME.IDENTITY.TIME.NUMBER.json  a record, written to a temporary name and renamed
RECORDS/artifacts/SHA256.txt            lowering stages, under their hash (`texts.py`)
RECORDS/.partial/IDENTITY/N.json        the launches of a cell that is not finished
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from pydantic_core import to_json as dump

from oneblock.bench.records.files import LARGEST_RECORD_BYTES, is_plain
from oneblock.bench.records.names import file_name, identities_in, number_of
from oneblock.bench.records.reading import NoRecord, made_of, without_collection
from oneblock.bench.records.record import Record
from oneblock.bench.records.texts import StoreError, Texts
from oneblock.compilers.api.files import read_plain


class Unreadable(StoreError):
    """A record that does not fit the schema: what it was made of told what no record holds."""


@dataclass(frozen=True)
class Problem:
    """A file that looks like a record and cannot be read as one."""

    path: Path
    why: str


def to_json(value: Any) -> bytes:
    """A dataclass as JSON, indented for people."""
    return dump(value, indent=1, inf_nan_mode="strings") + b"\n"


def read_record(path: Path) -> Record:
    """One record; StoreError says why it is none."""
    try:
        raw = read_plain(path, LARGEST_RECORD_BYTES)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    return _read(path, raw)


def _read(path: Path, raw: bytes) -> Record:
    try:
        return made_of(raw)
    except NoRecord as error:
        raise StoreError(f"{path}: {error}") from error


def read_all(paths: Iterable[Path], read: Callable[[Path], Record]) -> tuple[list[tuple[Path, Record]], list[Problem]]:
    """(the records of files, the files that `read` says are none), each looked at by itself."""
    found, problems = [], []
    with without_collection():
        for path in paths:
            try:
                found.append((path, read(path)))
            except StoreError as error:
                problems.append(Problem(path, str(error)))
    return found, problems


class Store(Texts):
    """The records directory, with the texts of their stages. It need not exist until something is written."""

    def files(self) -> list[Path]:
        """Every file that should be a record, by name."""
        if not self.directory.is_dir():
            raise StoreError(f"{self.directory}: no such directory; `oneblock run -o {self.directory}` makes one")
        return [self.directory / name for name in sorted(os.listdir(self.directory)) if name.endswith(".json")]

    def records(self) -> tuple[list[tuple[Path, Record]], list[Problem]]:
        """(every record, every file that should be one and is not), by file name."""
        return read_all(self.files(), read_record)

    def named(self) -> dict[str, list[Path]]:
        """The files by the identity that their names bear, the last made first; a name alone proves nothing."""
        found: dict[str, list[Path]] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self.directory) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".json")]
            for name in sorted(names, key=lambda name: (number_of(name), name), reverse=True):
                for identity in identities_in(name):
                    found.setdefault(identity, []).append(self.directory / name)
        return found

    def done(
        self, identity: str, named: Mapping[str, Sequence[Path]] | None = None,
        read: Callable[[Path], Record] = read_record,
    ) -> Record | None:  # fmt: skip
        """The newest record of that identity that can be read, of the files listed by `named`; by default of all."""
        for path in (self.named() if named is None else named).get(identity, ()):
            with contextlib.suppress(StoreError):
                record = read(path)
                if record.identity() == identity:
                    return record
        return None

    def check_writable(self) -> None:
        """Fail now rather than after the first measurement."""
        self.write(self.directory / ".probe", b"")
        (self.directory / ".probe").unlink(missing_ok=True)

    def add(self, record: Record) -> Path:
        """Write a record, and forget the launches it was made of.

        Unreadable where nobody could read it again: nothing is written.
        """
        raw = to_json(record)
        try:
            _read(Path("its record"), raw)
        except StoreError as error:
            raise Unreadable(str(error)) from error
        identity = record.identity()
        stamp = record.created.replace(":", "").replace("-", "")
        name = f"{file_name(record.cell.name)}.{identity}.{stamp}"
        name += "" if record.number is None else f".{record.number:06}"
        again = (f"{name}~{n:03}.json" for n in count(2))  # of another run, in the same moment
        for path in map(self.directory.joinpath, chain([f"{name}.json"], again)):
            if not path.exists():
                with contextlib.suppress(FileExistsError):  # another run took the name just now: the next is tried
                    self.write(path, raw, over=False)
                    break
        shutil.rmtree(self.directory / ".partial" / identity, ignore_errors=True)
        return path

    def holds(self, path: Path, record: Record) -> bool:
        """Whether a record that was written is there, as far as sizes tell, and the texts of its stages with it."""
        return is_plain(path, len(to_json(record))) and all(map(self.has_text, record.artifacts))

    def add_or_crashed(self, record: Record) -> tuple[Path, Record]:
        """Write a record, or in its place one of the crash that it is to answer what nobody could read again."""
        try:
            return self.add(record), record
        except Unreadable as error:
            record = record.crashed(f"answered what no record holds: {error}"[:500], "mend the backend")
            return self.add(record), record

    def add_partial(self, identity: str, index: int, raw: bytes) -> None:
        """Keep what one launch measured until its cell is finished."""
        self.write(self.directory / ".partial" / identity / f"{index}.json", raw)

    def partials(self, identity: str) -> dict[int, bytes]:
        """The launches kept so far, by index; what is no plain file of such a name is none."""
        found = {}
        for path in sorted((self.directory / ".partial" / identity).glob("*.json")):
            if path.stem.isascii() and path.stem.isdecimal():
                with contextlib.suppress(OSError):
                    found[int(path.stem)] = read_plain(path, LARGEST_RECORD_BYTES)
        return found
