"""Where what a search measured is kept: a folder for each toolchain, target and seed, in TVM's own format.

    <root>/tvm-0.27.0.post1/llvm-znver3-2/seed-0/
        about.json                      what it is of: toolchain, target, machine
        database_workload.json          a function a line
        database_tuning_record.json     a schedule that was measured a line
        batches.json                    the seconds that were spent on a function, in steps: [line of it, seconds]

The root is ONEBLOCK_TUNED, or the user's data folder. A line is written, and forced to the disk, as soon as its
candidate is measured: a process that is killed loses the candidate it was at, and at most half a line is left behind,
which the next that opens the folder cuts off.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent / "_tuned"
_FORMAT = 1
_NAMES = {"workload": "database_workload.json", "record": "database_tuning_record.json", "batch": "batches.json"}


class StoreError(Exception):
    """A folder cannot be used as it is; the text says what was expected, what is there, and what to do."""


@dataclass(frozen=True)
class About:
    """What a folder is of. A schedule is a good one only for these."""

    toolchain: str  # "tvm-0.27.0.post1"
    target: str  # "llvm-znver3-2"
    machine: str  # the processor's name, for people


def root() -> Path:
    """The folder of all that was found on this machine."""
    given = os.environ.get("ONEBLOCK_TUNED")
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("oneblock") / "tuned"


def folders(within: Path, about: About) -> list[Path]:
    """The folders of a toolchain and target, one a seed."""
    return sorted(path.parent for path in (within / about.toolchain / about.target).glob("*/about.json"))


@dataclass
class Kept:
    """Functions and the schedules that were measured of them, as TVM writes both: [hash, module]; [number, record]."""

    folder: Path
    about: About
    workloads: list[Any]
    records: list[Any]


def shipped(toolchain: str) -> list[Kept]:
    """What comes with oneblock for a toolchain: of each function the fastest."""
    found = []
    for path in sorted(SHIPPED.glob(f"{toolchain}-*.json.gz")):
        raw = json.loads(gzip.decompress(path.read_bytes()))
        found.append(Kept(path, About(**raw["about"]), raw["workloads"], raw["records"]))
    return found


def own(about: About) -> list[Kept]:
    """What searches on this machine kept for a toolchain and target; StoreError of a folder that is damaged."""
    return [Store(folder, about, write=False) for folder in folders(root(), about)]


class Store(Kept):
    """One folder, opened by the one process that may write to it; reading needs no lock."""

    def __init__(self, folder: Path, about: About, *, write: bool) -> None:
        super().__init__(folder, about, [], [])
        if write:
            from filelock import FileLock, Timeout

            self._attempt("make", lambda: folder.mkdir(parents=True, exist_ok=True))
            self._lock = FileLock(folder / "lock")
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                raise StoreError(
                    f"{folder}: another search is writing to it; wait for it or take another --seed"
                ) from error
        self._check_about(write=write)
        self.workloads, self.records = self._read("workload", write), self._read("record", write)
        self.batches = self._read("batch", write)
        damaged = next((row for row in self.records if not _is_record(row, len(self.workloads))), None)
        if damaged is not None:
            raise StoreError(
                f"{folder}: a record is not of TVM's format, or of no function here: {_short(damaged)}; {_MOVE}"
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self._lock.release()

    def of(self, key: str) -> tuple[list[Any], float]:
        """(the records of a function by its hash, the seconds spent on it)."""
        index = next((number for number, row in enumerate(self.workloads) if row[0] == key), None)
        records = [row for number, row in self.records if number == index]
        return records, sum(seconds for number, seconds in self.batches if number == index)

    def append(self, kind: str, row: Any) -> None:
        """Keep a line for good, or say why it could not be; what was kept before stays."""
        path = self.folder / _NAMES[kind]
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"

        def write() -> None:
            with path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    if file.write(line) != len(line):
                        raise OSError(28, "No space left on device")
                    os.fsync(file.fileno())
                except OSError:
                    os.truncate(path, before)
                    raise

        self._attempt("write to", write)
        {"workload": self.workloads, "record": self.records, "batch": self.batches}[kind].append(row)

    def _attempt(self, verb: str, action: Any) -> None:
        try:
            action()
        except OSError as error:
            raise StoreError(
                f"{self.folder}: cannot {verb} it ({error.strerror or error}); nothing measured before is lost: make "
                f"room or set ONEBLOCK_TUNED to another folder, and the same command goes on"
            ) from error

    def _check_about(self, *, write: bool) -> None:
        path = self.folder / "about.json"
        try:
            found = json.loads(path.read_text())
        except FileNotFoundError:
            if any((self.folder / name).exists() for name in _NAMES.values()):
                raise StoreError(
                    f"{self.folder}: a database without its about.json, so of no known origin; {_MOVE}"
                ) from None
            if write:
                text = json.dumps({"format": _FORMAT, **asdict(self.about)}, indent=1) + "\n"
                self._attempt("write to", lambda: _replace(path, text))
            return
        except (ValueError, OSError) as error:
            raise StoreError(f"{path}: expected JSON, got {error}; {_MOVE}") from error
        wanted = {"format": _FORMAT, "toolchain": self.about.toolchain, "target": self.about.target}
        for name, value in wanted.items():
            got = found.get(name) if isinstance(found, Mapping) else None
            if got != value:
                raise StoreError(
                    f"{path}: expected {name} {value}, got {got}: schedules of another do not carry over; {_MOVE}"
                )

    def _read(self, kind: str, write: bool) -> list[Any]:
        path = self.folder / _NAMES[kind]
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
        whole, _, rest = data.rpartition(b"\n")
        if rest and write:  # half a line: its writer was killed
            os.truncate(path, len(data) - len(rest))
        rows = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise StoreError(f"{path}:{number}: expected a line of JSON, got {_short(line)}; {_MOVE}") from error
        return rows


_MOVE = "move the folder away or set ONEBLOCK_TUNED to another, then tune anew"


def _is_record(row: Any, workloads: int) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], int) and 0 <= row[0] < workloads


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def _short(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else json.dumps(value)
    return repr(text[:60])
