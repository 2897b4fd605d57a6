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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.folders import data_folder
from oneblock.compilers.api.search import SearchStopped
from oneblock.compilers.tvm.rows import is_batch, is_record, is_workload, parsed, short

SHIPPED = Path(__file__).parent / "_tuned"
FAILED_S = 1e10  # TVM's own mark of a candidate without a time
LARGEST_BYTES = 2**29  # of a file: thousands of trials of a whole model are some 10 MB
_FORMAT = 1
_NAMES = {"workload": "database_workload.json", "record": "database_tuning_record.json", "batch": "batches.json"}


class StoreError(SearchStopped):
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
    return data_folder() / "tuned"


def folders(within: Path, about: About) -> list[Path]:
    """The folders of a toolchain and target, one a seed; StoreError where they cannot be looked for."""
    try:
        if within.exists():
            next(within.iterdir(), None)
    except OSError as error:
        raise StoreError(f"{within}: expected a folder of schedules, got {error.strerror}; {_MOVE}") from error
    found = {
        path.parent for name in _NAMES.values() for path in (within / about.toolchain / about.target).glob(f"*/{name}")
    }
    return sorted(found)


def fingerprint() -> str:
    """A hash of all schedules that a program may be given here: one that is found later makes another program.

    What cannot be read counts with the reason: the program that needs it is not made, and its record says why.
    """
    total, here = sha256(), list[Path]()
    with suppress(OSError):  # a root that is no folder has none, and whoever opens it says so
        here = list(root().glob(f"*/*/*/{_NAMES['record']}"))
    for path in sorted([*here, *SHIPPED.glob("*.json.gz")]):
        try:
            raw = read_plain(path, LARGEST_BYTES)
        except OSError as error:
            raw = str(error.strerror).encode()
        total.update(path.name.encode() + raw)
    return total.hexdigest()[:16]


@dataclass
class MeasuredSchedules:
    """Functions and the schedules that were measured of them, as TVM writes both: [hash, module]; [number, record]."""

    folder: Path
    about: About
    workloads: list[Any]
    records: list[Any]


def shipped(about: About) -> list[MeasuredSchedules]:
    """What comes with oneblock for a toolchain and the same kind of target: of each function the fastest."""
    found = []
    for path in sorted(SHIPPED.glob(f"{about.toolchain}-{about.target.partition('-')[0]}-*.json.gz")):
        raw = json.loads(gzip.decompress(path.read_bytes()))
        found.append(MeasuredSchedules(path, About(**raw["about"]), raw["workloads"], raw["records"]))
    return found


def fastest(kept: Iterable[MeasuredSchedules], key: str) -> tuple[MeasuredSchedules, Any] | None:
    """(where it is from, the record) of the function with that hash that has the least sample; None if none has one."""
    rows = [(min(row[1]), one, row) for one in kept for i, row in one.records if one.workloads[i][0] == key]
    best = min(rows, key=lambda row: row[0], default=None)
    return best[1:] if best is not None and best[0] < FAILED_S / 2 else None


def own(about: About) -> list[MeasuredSchedules]:
    """What searches on this machine kept for a toolchain and target; StoreError of a folder that is damaged."""
    return [Store(folder, about, write=False) for folder in folders(root(), about)]


class Store(MeasuredSchedules):
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
                busy = f"{folder}: another search is writing to it; wait for it or take another --seed"
                raise StoreError(busy) from error
            except OSError as error:
                raise self._cannot("lock", error) from error
        self._check_about(write=write)
        # Records before the functions that they are of: a search may be adding both at this moment.
        self.batches, self.records = self._read("batch", write), self._read("record", write)
        self.workloads = self._read("workload", write)
        known = range(len(self.workloads))
        self._refuse([row for row in self.workloads if not is_workload(row)], "a function is not of TVM's format")
        wrong = "a record is not of TVM's format, or of no function here"
        self._refuse([row for row in self.records if not is_record(row, known)], wrong)
        self._refuse([row for row in self.batches if not is_batch(row, known)], "a batch is not [function, seconds]")

    def _refuse(self, damaged: list[Any], what: str) -> None:
        if damaged:
            raise StoreError(f"{self.folder}: {what}: {short(damaged[0])}; {_MOVE}")

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
            raise self._cannot(verb, error) from error

    def _cannot(self, verb: str, error: OSError) -> StoreError:
        return StoreError(
            f"{self.folder}: cannot {verb} it ({error.strerror or error}); nothing measured before is lost: make "
            f"room or set ONEBLOCK_TUNED to another folder, and the same command goes on"
        )

    def _check_about(self, *, write: bool) -> None:
        path = self.folder / "about.json"
        try:
            found = parsed(read_plain(path, LARGEST_BYTES))
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
            data = read_plain(path, LARGEST_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}; {_MOVE}") from error
        whole, _, rest = data.rpartition(b"\n")
        if rest and write:  # half a line: its writer was killed
            self._attempt("write to", lambda: os.truncate(path, len(data) - len(rest)))
        rows = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                rows.append(parsed(line))
            except ValueError as error:
                raise StoreError(f"{path}:{number}: expected a line of JSON, got {short(line)}; {_MOVE}") from error
        return rows


_MOVE = "move the folder away or set ONEBLOCK_TUNED to another, then tune anew"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
