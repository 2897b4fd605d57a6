"""Progress of a run at the terminal, and what it came to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.runs.fit import fit
from oneblock.bench.runs.run import Run
from oneblock.bench.terminal.records import tell
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.watch import Bounds


def fitted(chosen: list[Cell], axis: str, within: Bounds, *, quiet: bool) -> list[Cell]:
    """For each cell the largest of its kind that fits its target, and the next, which does not."""
    found: dict[Cell, None] = {}
    with console(stderr=True, quiet=quiet).status("looking for the largest that fits") as status:
        for cell in chosen:
            result = fit(cell, axis, within, lambda one, doing: status.update(Text(f"{one.name}  {doing}")))
            found |= dict.fromkeys(result.cells)
    return list(found)


def go(run: Run, *, quiet: bool) -> list[Any]:
    """Run with live progress on standard error; an interruption says how to go on."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    told = TextColumn("{task.description}", markup=False)
    with Progress(*columns, told, console=console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("starting", total=run.progress.planned)

        def tell(doing: str) -> None:
            bar.update(task, completed=run.progress.launches, description=doing)

        try:
            records = run.go(tell)
        except KeyboardInterrupt:
            done = f"{len(run.finished)} of {len(run.cells)} cells are done"
            raise Refused(f"interrupted: {done}; the same command goes on from here", 130) from None
        bar.update(task, completed=run.progress.planned, description="done")
    if run.skipped:
        note(f"{len(run.skipped)} of {len(run.cells)} cells had a record already and were not measured (--again does)")
    for path in run.lost():
        note(f"oneblock: {path}: was written, and it or a text of its stages is gone; the same command makes it anew")
    return records


def show(records: list[Any], directory: Path, lost: int) -> None:
    """The tables, then what is wrong or doubtful, then where the records are but for those that were lost."""
    tell(records)
    where = f"{len(records) - lost} records in {directory}; next: oneblock report -o {directory}"
    console().print(where, highlight=False)
