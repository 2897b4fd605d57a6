"""What a search for schedules found, as people read it: its functions, how far seeds lie apart, the winner's price."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from rich.text import Text

from oneblock.backends.api.backend import TuningResult
from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.units import seconds as spoken
from oneblock.bench.judge.stats import Difference, centre
from oneblock.bench.records.record import Record
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import TaskState


def tasks_table(cell: Cell, found: TuningResult) -> Table:
    """One line a function or kernel: what was tried, and the best of it."""
    title = f"{cell.subject}-{cell.backend} on {cell.target}   ({found.kind}: {found.how})"
    leaves = ("failed", "trials", "GFLOP/s", "calls", "without a search")
    table = Table(title=title, title_justify="left", title_style="bold", leaves=leaves)
    table.add_column("step")
    table.add_column("function", overflow="fold", max_width=60)
    for column in ("calls", "trials", "failed", "best", "GFLOP/s"):
        table.add_column(column, justify="right", style="italic" if found.kind is Kind.MODELLED else "")
    named = any(trial.config is not None for task in found.tasks for trial in task.trials)
    for column in ("best configuration", "without a search") if named else ():
        table.add_column(column)
    for task in sorted(found.tasks, key=lambda one: -one.calls * _best_s(one)):
        took, failed = _best_s(task), [trial for trial in task.trials if trial.seconds is None]
        table.add_row(
            ", ".join(task.steps), Text(task.name), str(task.calls), str(len(task.trials)), str(len(failed)),
            spoken(took) if took else f"none: {failed[0].why_not}" if failed else "none",
            f"{task.flops / took / 1e9:.1f}" if took and task.flops else "",
            *((task.best.config or "" if task.best is not None else "", _regret(task)) if named else ()),
        )  # fmt: skip
    return table


def _best_s(task: TaskState) -> float:
    return (task.best.seconds if task.best is not None else None) or 0.0


def _regret(task: TaskState) -> str:
    """How much longer what would run without a search takes; empty where that is not among the trials."""
    if task.default is None or task.best is None:
        return ""
    default = task.trials[task.default]
    if default.seconds is None or not task.best.seconds:
        return "does not build"
    lost = default.seconds / task.best.seconds - 1
    return "the same" if lost == 0 else f"+{lost:.0%} ({default.config})"


def spread(found: dict[int, TuningResult]) -> Text:
    """The sum of the best times of each seed, over the functions for which every seed has one."""
    timed = [{task.name for task in one.tasks if task.best is not None} for one in found.values()]
    common = set.intersection(*timed)
    if not common:
        return Text("no function has a time from every seed: nothing can be said of their spread")
    sums = {
        seed: sum(task.calls * _best_s(task) for task in one.tasks if task.name in common)
        for seed, one in found.items()
    }
    each = ", ".join(f"seed {seed} {spoken(total)}" for seed, total in sums.items())
    apart = (max(sums.values()) - min(sums.values())) / median(sums.values())
    of = "all functions" if all(len(names) == len(common) for names in timed) else f"{len(common)} functions"
    return Text(f"{of} at their best, by the search's own warm samples (measured): {each}; they lie {apart:.1%} apart")


def verdict(plain: Record, tuned: Record, told: Difference, found: dict[int, TuningResult]) -> list[str]:
    """How much faster, and after how many calls the search has paid."""
    before_s, after_s = (centre(one.samples()) for one in (plain, tuned))
    lines = [
        f"the whole program by the best that is kept, {plain.tier}, {len(plain.launches)} processes each, cold caches, "
        f"measured: untuned {spoken(before_s)}, tuned {spoken(after_s)}: {1 / told.ratio:.3g}x (99 % interval "
        f"{1 / told.high:.3g} to {1 / told.low:.3g}x), {told.verdict}: {told.why}"
    ]
    last = list(found.values())[-1]  # which knows what all seeds took
    spent = sum(task.spent_s or 0.0 for task in last.tasks)
    if told.low >= 1:
        lines.append("break-even: never, the search found nothing faster")
    elif told.high >= 1:
        lines.append("break-even: not known, the two are not told from each other")
    elif spent:
        saved_s = before_s - after_s
        lines.append(
            f"break-even: {spoken(spent)} of search / {spoken(saved_s)} saved a call = {spent / saved_s:,.0f} calls"
        )
    return lines


def without_best(found: dict[int, TuningResult]) -> Iterator[str]:
    """Of each seed the functions for which nothing that was tried could be used: why the command says no."""
    for seed, one in found.items():
        lacking = [task for task in one.tasks if task.best is None]
        if lacking:
            tried = sum(len(task.trials) for task in lacking)
            why = f"of {tried} candidates for them none could be used" if tried else "none was tried for them"
            yield f"seed {seed}: {len(lacking)} of {len(one.tasks)} functions have no best: {why}; give more --trials"
