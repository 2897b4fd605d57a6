"""A tuning as its user sees it: searches with live progress, then the winner measured anew, then the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from rich.live import Live
from rich.text import Text

from oneblock.backends.api.backend import TuningResult
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.format.units import seconds as spoken
from oneblock.bench.judge.compare import difference
from oneblock.bench.judge.stats import Difference
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs.run import Run
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.going import Heartbeat, going_on
from oneblock.bench.terminal.screen import console
from oneblock.bench.terminal.search import spread, tasks_table, verdict, without_best
from oneblock.bench.worker.events import Event, Phase, Task
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.tune_job import TuneJob
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.search import Search

Elsewhere = Callable[[Sequence[TuneJob]], Sequence[Outcome[TuningResult]]]


@dataclass
class Tuning:
    """Searches of one program with several seeds, and what came of them."""

    cell: Cell
    within: Bounds
    asked: Sequence[Search]
    found: dict[int, TuningResult] = field(default_factory=dict)  # by seed
    ended: list[Outcome[TuningResult]] = field(default_factory=list)  # what did not end well
    timed: tuple[Record, Record] | None = None  # what runs without a search, and the winner
    elsewhere: Elsewhere | None = None  # who does the searches, where that is not this machine

    @property
    def good(self) -> bool:
        """Whether all that was asked for was done, and the winner is right."""
        every = all(task.best is not None for one in self.found.values() for task in one.tasks)
        return not self.ended and not self._without_time() and every

    def search(self, *, quiet: bool) -> None:
        """Every seed in turn, or elsewhere all at once; what does not end well ends it all."""
        if self.elsewhere is not None:
            with going_on(f"{len(self.asked)} searches elsewhere", quiet=quiet):
                outcomes = self.elsewhere([TuneJob(self.cell, asked) for asked in self.asked])
            for asked, outcome in zip(self.asked, outcomes, strict=True):
                if not self._hear(asked, outcome):
                    return
            return
        for asked in self.asked:
            out = console(stderr=True, quiet=quiet)
            watch = _Watch(self.cell, asked)
            drawn = Live(console=out, get_renderable=watch.table, refresh_per_second=2, transient=True)
            with drawn if out.is_terminal else nullcontext() if quiet else Heartbeat(watch.title):
                outcome = launch(TuneJob(self.cell, asked), self.within, listen=watch.hear)
            if not self._hear(asked, outcome):
                return

    def _hear(self, asked: Search, outcome: Outcome[TuningResult]) -> bool:
        """Take in what came of a search; whether another is worth its while."""
        if outcome.status is not Status.PASSED or outcome.result is None:
            self.ended.append(outcome)
            return False
        self.found[asked.seed] = outcome.result
        return outcome.result.folder is not None  # else all ways were ranked: another seed would find the same

    def versus(self, folder: Path, by: Tier, *, quiet: bool) -> None:
        """Measure the program with and without what was found, as a run does; not where nothing is kept or runs."""
        if self.ended or any(one.folder is None for one in self.found.values()) or self._for_another:
            return
        cells = [replace(self.cell, ops_set=ops_set) for ops_set in ("plain", "tuned")]
        with going_on("checking and timing the winner", quiet=quiet) as tell:
            run = Run(cells, by, Store(folder), self.within)
            plain, tuned = run.go(lambda doing: tell(f"the winner, measured anew: {doing}"))
            self.timed = plain, tuned

    def result(self) -> dict[str, Any]:
        """All of it as data: raw seconds, every trial."""
        return {
            "cell": self.cell, "found": {str(seed): found for seed, found in self.found.items()},
            "ended": self.ended, "timed": {one.cell.ops_set: one for one in self.timed or ()},
            "difference": self._difference(),
        }  # fmt: skip

    def show(self) -> None:
        """What was found, whether it would come out the same again, and whether it pays."""
        out = console()
        for found in self.found.values():
            out.print(tasks_table(self.cell, found))
            if found.folder is not None:
                out.print(Text(f"kept in {found.folder}" + (" of the node that did it" if self.elsewhere else "")))
        if len(self.found) > 1:
            out.print(spread(self.found))
        for said in [*map(_ending, self.ended), *(f"{r.cell.name}: {_ending(r)}" for r in self._without_time())]:
            out.print(Text(said, style="red"))
        for sentence in without_best(self.found):
            out.print(Text(sentence, style="red"))
        if self._for_another and self.found and any(one.folder is not None for one in self.found.values()):
            out.print(
                Text("not timed anew: the winner is for another host, and only its functions were measured there")
            )
        told = self._difference()
        if told is not None and self.timed is not None:
            for line in verdict(*self.timed, told, self.found):
                out.print(Text(line))

    @property
    def _for_another(self) -> bool:
        return self.asked[0].rpc is not None or self.elsewhere is not None

    def _without_time(self) -> list[Record]:
        return [one for one in self.timed or () if one.status is not Status.PASSED]

    def _difference(self) -> Difference | None:
        """The winner's time against that of what runs without a search; None where one of the two has none."""
        return difference(*self.timed) if self.timed and not self._without_time() else None


class _Watch:
    """The live table of one search."""

    def __init__(self, cell: Cell, asked: Search) -> None:
        self.cell, self.asked = cell, asked
        self.began, self.phase, self.kind = monotonic(), "starting", ""
        self.tasks: dict[str, Task] = {}
        self.before = 0  # trials of earlier runs: those that a task has when it is told of first
        self.ranked = False  # there are so many ways, and all are tried

    def hear(self, event: Event) -> None:
        """Take in what the worker says."""
        if isinstance(event, Phase):
            self.phase, self.began = event.name, monotonic()
            self.kind = event.kind or ""
        elif isinstance(event, Task):
            if event.name not in self.tasks:
                self.before += event.trials
            self.tasks[event.name], self.ranked = event, event.ranked

    def table(self) -> Table:
        """The tasks by what they cost, and how long it will still take."""
        table = Table(title=self.title(), title_justify="left")
        table.add_column("function", no_wrap=True, overflow="ellipsis", max_width=48)
        for column in ("calls", "trials", "failed", f"best {self.kind}", "GFLOP/s", "of the program"):
            table.add_column(column, justify="right")
        total = sum(task.calls * (task.best_s or 0.0) for task in self.tasks.values())
        for task in sorted(self.tasks.values(), key=lambda one: -one.calls * (one.best_s or 0.0)):
            best = task.best_s
            rate = f"{task.flops / best / 1e9:.1f}" if best and task.flops else ""
            share = f"{task.calls * best / total:.0%}" if best and total else ""
            counts = map(str, (task.calls, task.trials, task.failed))
            table.add_row(Text(task.name), *counts, "" if best is None else spoken(best), rate, share)
        return table

    def title(self) -> str:
        """What it is at, and how far."""
        done = sum(task.trials for task in self.tasks.values())
        what = f"{self.cell.subject}-{self.cell.backend}, seed {self.asked.seed}"
        return f"{what}: {self.phase}, {done} trials{self._left(done)}"

    def _left(self, done: int) -> str:
        new = done - self.before
        if self.ranked:
            return ""
        if new <= 0 or done >= self.asked.trials:
            return f" of {self.asked.trials}"
        left = (self.asked.trials - done) * (monotonic() - self.began) / new
        return f" of {self.asked.trials}, {spoken(left)} left"


def _ending(ended: Outcome[Any] | Record) -> str:
    return f"{ended.status}: {ended.reason}" + (f"; {ended.hint}" if ended.hint else "")
