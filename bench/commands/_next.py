"""What `oneblock` alone says: what there is here, and the lines that go on from it. No toolchain is imported for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from textwrap import fill

from oneblock import backends
from oneblock.bench.format.out import say
from oneblock.bench.judge.troubles import by_cause
from oneblock.bench.records.order import newest
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_all, read_record
from oneblock.bench.records.texts import StoreError
from oneblock.bench.terminal.aligned import aligned
from oneblock.compilers.api.wheels import missing

_READ = 60  # records, the last made: a folder of thousands is counted, and not read
_WIDTH = 100
Line = tuple[str, str]  # a command, and what it is for


def tell(directory: Path = Path("records")) -> None:
    """Print it."""
    having = _installed()
    say(f"oneblock {version('oneblock')}: one transformer block, every compiler\n")
    have = f"{len(having)} of {len(backends.names())} have their toolchain here: {', '.join(having)}"
    say(fill(have, _WIDTH, initial_indent="backends  ", subsequent_indent=" " * 10))
    files = _files(directory)
    records = [record for _, record in newest(read_all(files[-_READ:], read_record)[0])]
    say(f"records   {_of(directory, files, records)}\n")
    lines = [
        *_next(directory, files, records),
        ("oneblock --help", "all commands; each has a --help that begins with examples"),
    ]
    say("next:\n" + "\n".join(f"  {line}" for line in aligned(lines, words=(0, 1))))


def _installed() -> list[str]:
    """The backends whose toolchains are installed, as far as their distributions tell; doctor tries them."""
    return [name for name in backends.names() if name not in backends.own() or not missing(name)]


def _files(directory: Path) -> list[Path]:
    """The files of records, the last written last."""
    with suppress(StoreError, OSError):
        return sorted(Store(directory).files(), key=lambda path: path.stat().st_mtime_ns)
    return []


def _of(directory: Path, files: Sequence[Path], records: Sequence[Record]) -> str:
    if not files:
        return f"none in {directory}/"
    of = f", of the last {_READ}" if len(files) > _READ else ""
    ended = sum(len(group.found) for group in by_cause(records, lambda record: record))
    doubted = f"{of}: {ended} without a number or with a doubt" if ended else ""
    return f"{len(files)} in {directory}/{doubted}"


def _next(directory: Path, files: Sequence[Path], records: Sequence[Record]) -> Iterator[Line]:
    """What goes on from here."""
    if not files:
        yield "oneblock doctor", "which backends work, and the line that mends the rest"
        yield "oneblock run block --preset tiny", "minutes: each backend here, checked and timed"
        return
    if any((directory / ".partial").glob("*/*.json")):
        yield "oneblock run ...", "the line that was interrupted goes on: some launches of its cells are kept"
    page = directory / "report.html"
    if not page.exists() or page.stat().st_mtime_ns < files[-1].stat().st_mtime_ns:
        yield "oneblock report", "one page of all of them, with their lowering stages side by side"
    yield "oneblock show", "their tables here"
    if by_cause(records, lambda record: record):
        yield "oneblock show --why", "each cell without a number or with a doubt, and what mends it"
    if (two := _two(records)) is not None:
        yield f"oneblock diff {two[0]} {two[1]}", "two ways to do one thing, step by step"


def _two(records: Sequence[Record]) -> tuple[str, str] | None:
    """The names of the last two cells of one right answer that have stages or times."""
    last: dict[str, Record] = {}
    for record in reversed(records):
        if not (record.artifacts or record.launches):
            continue
        other = last.setdefault(record.cell.reference_key, record)
        if other.cell.name != record.cell.name:
            return record.cell.name, other.cell.name
    return None
