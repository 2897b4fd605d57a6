"""Progress of a run at the terminal, and what it came to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.format.units import duration, seconds, size
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.index import briefs
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs.run import Finished, Tell
from oneblock.bench.runs.run import Progress as RunProgress
from oneblock.bench.terminal.going import Heartbeat
from oneblock.bench.terminal.records import tell
from oneblock.bench.terminal.screen import Screen, console
from oneblock.compilers import Detail
from oneblock.compilers.api.kind import Kind

_REASON = 120  # characters of a reason that a line has: the whole stands below all


def cost_of_all(cells: Sequence[Cell], store: Store) -> str:
    """What keeping every pass will take: by the records of the folder that have them, else in orders of magnitude."""
    records = briefs(store)[0] if store.directory.is_dir() else []
    before: dict[str, list[int]] = {}
    for _, record in records:
        if record.detail is Detail.ALL and record.artifacts:
            before.setdefault(record.cell.backend, []).append(sum(ref.bytes for ref in record.artifacts))
    known = [median(before[cell.backend]) for cell in cells if cell.backend in before]
    there = next(path for path in (store.directory, *store.directory.absolute().parents) if path.is_dir())
    free = f"{size(shutil.disk_usage(there).free)} are free there"
    if not known:
        return f"--stages all keeps every pass: hundreds of MB and minutes for each cell of a TPU's compiler; {free}"
    new = f", and of {len(cells) - len(known)} cells nothing is known" if len(known) < len(cells) else ""
    by = f"as it came to in {store.directory} for the same backends"
    return f"--stages all keeps every pass: about {size(sum(known))} for {len(known)} cells, {by}{new}; {free}"


class Running(Protocol):
    """What is shown of a run, on this machine or over a fleet."""

    cells: list[Cell]
    finished: dict[Cell, Record]
    skipped: set[Cell]
    progress: RunProgress

    def go(self, tell: Tell, finished: Finished = ...) -> list[Record]:
        """The records of all cells."""
        ...

    def lost(self) -> list[Path]:
        """Those that it wrote and that are gone."""
        ...


def go(run: Running, *, quiet: bool) -> list[Any]:
    """Run with progress on standard error, a bar or lines; an interruption says how to go on."""
    out = console(stderr=True)
    try:
        records = run.go(lambda _: None) if quiet else _drawn(run, out) if out.is_terminal else _logged(run)
    except KeyboardInterrupt:
        done = f"{len(run.finished)} of {len(run.cells)} cells are done"
        raise Refused(f"interrupted: {done}; the same command goes on from here", 130) from None
    if run.skipped:
        note(f"{len(run.skipped)} of {len(run.cells)} cells had a record already and were not measured (--again does)")
    for path in run.lost():
        note(f"oneblock: {path}: was written, and it or a text of its stages is gone; the same command makes it anew")
    return records


def _drawn(run: Running, out: Screen) -> list[Record]:
    """With a bar that is redrawn."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}", markup=False), console=out) as bar:
        task = bar.add_task("starting", total=run.progress.planned)

        def tell(doing: str) -> None:
            bar.update(task, total=run.progress.planned, completed=run.progress.launches, description=doing)

        records = run.go(tell)
        bar.update(task, completed=run.progress.planned, description="done")
    return records


def _logged(run: Running) -> list[Record]:
    """With a line for each cell that is finished, and what is being done where that takes long."""
    with Heartbeat(lambda: "starting") as log:

        def finished(record: Record) -> None:
            log.line(finished_line(run, record, log.clock() - log.began))

        return run.go(log.now, finished)


def finished_line(run: Running, record: Record, took_s: float) -> str:
    """A cell that is finished: the how many-th of how many, how it ended, how long it will still take."""
    of, done = len(run.cells) - len(run.skipped), len(run.finished) - len(run.skipped)
    said = f"[{done} of {of}] {record.cell.name}: {record.status}"
    if record.status is Status.PASSED and record.kind is Kind.MEASURED:
        said += f", {seconds(centre(record.samples()))} cold"
    elif record.reason:
        said += f", {record.reason.splitlines()[0][:_REASON]}"
    planned, launches = run.progress.planned, run.progress.launches
    left = f", about {duration(took_s / launches * (planned - launches))} left" if done < of and launches else ""
    return f"{said} ({duration(took_s)} so far{left})"


def show(records: list[Any], directory: Path, lost: int) -> None:
    """The tables, then what is wrong or doubtful, then where the records are but for those that were lost."""
    tell(records)
    kept = len(records) - lost
    where = f"{kept} record{'s' * (kept != 1)} of this run in {directory}; next: oneblock report -o {directory}"
    console().print(where, highlight=False)
