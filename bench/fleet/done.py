"""Which cells a folder has from a fleet already, and that one driver at a time adds to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.names import cell_of, file_name, number_of
from oneblock.bench.records.record import ANSWERS, Record
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError

NODE = "node"  # of the state of a record's environment: which of a fleet made it
_LOCK = ".fleet.lock"
Maker = tuple[Mapping[str, Any], Mapping[str, str | None]]  # (facts of a machine, the software of a cell there)


class Done:
    """The records of a folder by the cells that their names bear; a name alone proves nothing."""

    def __init__(self, store: Store, read: Callable[[Path], Record]) -> None:
        self.read, self.paths = read, dict[str, list[Path]]()
        names = [path.name for path in store.directory.glob("*.json")]
        for name in sorted(names, key=lambda name: (number_of(name), name), reverse=True):
            self.paths.setdefault(cell_of(name), []).append(store.directory / name)

    def of(self, cell: Cell, tier: str, makers: Iterable[Maker]) -> Record | None:
        """The newest answer that one of these would give again: of its software, and of its machine or of a fleet's."""
        makers = [*makers]
        for path in self.paths.get(file_name(cell.name), ()):
            with contextlib.suppress(StoreError):
                record = self.read(path)
                if (record.cell.key, record.tier) == (cell.key, tier) and record.status in ANSWERS and any(
                    record.environment.software == software
                    and (NODE in record.environment.state or record.environment.facts() == facts)
                    for facts, software in makers
                ):  # fmt: skip
                    return record
        return None


@contextlib.contextmanager
def one_driver(directory: Path) -> Iterator[None]:
    """Only one adds to a folder: two would do each cell twice. The kernel frees the lock however its holder ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(directory / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(
            f"{directory}: another run over a fleet adds to this folder: wait until it ends, or give another with -o; "
            "`oneblock bundle` joins folders"
        ) from None
    except OSError as error:
        raise Refused(
            f"{directory / _LOCK}: cannot be locked: {error.strerror}; give another folder with -o"
        ) from error
    try:
        yield
    finally:
        lock.release()
