"""`oneblock run`: measure cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneblock.bench._cli import Refused, answer, json_option, note, records_option

if TYPE_CHECKING:
    from oneblock.bench._cell import Cell
    from oneblock.bench._launch import Bounds
    from oneblock.bench._run import Run


def bounds_options(command: Callable[..., Any], timeout_s: float = 600.0) -> Callable[..., Any]:
    """What a cell's process may use."""
    for option in (
        click.option("--threads", type=click.IntRange(1), help="Threads a process is pinned to.  [default: all cores]"),
        click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=timeout_s, show_default=True,
                     help="Seconds one process may take."),
        click.option("--memory", "memory_gib", type=click.FloatRange(0.1),
                     help="GiB one process may use.  [default: 90 % of what is free]"),
    ):  # fmt: skip
        command = option(command)
    return command


def cases_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which workloads, of what size; those of `_cells.Wanted`."""
    for option in (
        click.option("--dtype", "dtypes", multiple=True, help="float32, bfloat16, float16.  [default: float32]"),
        click.option(
            "-S", "--cache", "S", type=int, default=512, show_default=True, help="Positions a decode attends to."
        ),
        click.option("-T", "--tokens", "T", type=int, default=128, show_default=True, help="Tokens a prefill reads."),
        click.option("-B", "--batch", "B", type=int, default=1, show_default=True, help="Sequences."),
        click.option("--phase", "phases", multiple=True, help="prefill, decode.  [default: those the workload has]"),
        click.option("--preset", "presets", multiple=True, help="tiny, gpt2, llama-1b, llama-8b.  [default: gpt2]"),
        click.argument("workload", nargs=-1),
    ):
        command = option(command)
    return command


def bounds(threads: int | None, timeout_s: float, memory_gib: float | None) -> Bounds:
    """The bounds, with what was not said filled in from the machine."""
    import psutil

    from oneblock.bench._environment import default_threads
    from oneblock.bench._launch import Bounds

    for option, value in (("--timeout", timeout_s), ("--memory", memory_gib)):
        if value is not None and not math.isfinite(value):  # not-a-number passes every comparison of a range
            raise Refused(f"{option} {value:g}: expected a finite number")
    most = default_threads()
    if threads is not None and threads > most:
        raise Refused(
            f"--threads {threads}: this process may run on {most} cores; more threads than cores time nothing"
        )
    free = psutil.virtual_memory().available
    memory = int(memory_gib * 2**30) if memory_gib is not None else int(free * 0.9)
    return Bounds(threads or most, timeout_s, memory)


@click.command("run")
@cases_options
@click.option("--backend", "backends", multiple=True, help="See `oneblock doctor`.  [default: all]")
@click.option(
    "--ops",
    "ops_sets",
    multiple=True,
    help="plain, native, kernels, tuned.  [default: all but tuned that the backend has]",
)
@click.option(
    "--target", "targets", multiple=True, help="cpu, cuda, tpu, cuda:sm_90, ...  [default: the backend's first]"
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A .safetensors checkpoint, or its index, in Hugging Face names."
)
@click.option("--layer", type=int, default=0, show_default=True, help="The layer to take from --weights.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=NUMBER",
    help="Another dimension than the preset's, e.g. kv_heads=4.",
)
@click.option("--seed", "weight_seed", type=click.IntRange(0), default=0, show_default=True, help="Of the weights.")
@click.option("--input-seed", type=click.IntRange(0), default=1, show_default=True, help="Of the inputs.")
@click.option("--order-seed", type=int, default=0, show_default=True, help="Of the order of the cells.")
@click.option("--tier", default="smoke", show_default=True, help="smoke, standard, publish.")
@click.option(
    "--stages",
    "detail",
    type=click.Choice(["brief", "default", "all"]),
    default="default",
    show_default=True,
    help="How much of the lowering to keep; all is every pass, hundreds of MB.",
)
@click.option(
    "--fit",
    "axis",
    type=click.Choice(["batch", "context"]),
    help="Instead of the size given, the largest that the target's compiler finds room for, and the next.",
)
@click.option("--report", is_flag=True, help="And write the report of all records there, as `oneblock report` does.")
@click.option("--again", is_flag=True, help="Measure even what has a record.")
@bounds_options
@records_option
@json_option
def COMMAND(
    workload: tuple[str, ...], tier: str, directory: Path, as_json: bool, again: bool, order_seed: int, detail: str,
    axis: str | None, report: bool, threads: int | None, timeout_s: float, memory_gib: float | None, **wanted: Any,
) -> None:  # fmt: skip
    """Measure cells: every combination of what is asked for, each checked, each in a process of its own.

    WORKLOAD is block, attention, mlp or norm [default: block]. Choices may be given more than once. A cell that has a
    record under the same identity is not measured again, so the same command goes on after an interruption.
    Exit status: 0 if every cell passed or was compiled, interpreted or simulated, 1 if any did not, 2 for a mistake,
    130 if interrupted.
    """
    from oneblock.bench._cells import Wanted, cells
    from oneblock.bench._probes import probe
    from oneblock.bench._run import Run
    from oneblock.bench._store import Store
    from oneblock.bench._tiers import tier as find_tier
    from oneblock.compilers import Detail

    within = bounds(threads, timeout_s, memory_gib)
    wanted["presets"] = wanted["presets"] or ("gpt2",)
    wanted["dtypes"] = wanted["dtypes"] or ("float32",)
    asked = Wanted(workloads=workload or ("block",), **wanted)
    found_tier = find_tier(tier)
    cells(asked, [])  # a mistake is told before anything is started
    from oneblock import backends

    chosen = cells(asked, probe(list(asked.backends) or backends.names(), within))
    _tell_left_out(chosen, asked.backends)
    if axis is not None:
        chosen = fitted(chosen, axis, within, quiet=as_json)
    run = Run(chosen, found_tier, Store(directory), within, seed=order_seed, again=again, detail=Detail(detail))
    records = go(run, quiet=as_json)
    if as_json:
        answer(records)
    else:
        show(records, directory)
    if report:
        from oneblock.bench.report import write

        note(write([directory], directory / "report.html", "oneblock study").sentence)
    from oneblock.bench._record import WITHOUT_TIMES, Status

    good = (Status.PASSED, *WITHOUT_TIMES)
    raise SystemExit(0 if all(record.status in good for record in records) else 1)


def _tell_left_out(chosen: list[Cell], named: Sequence[str]) -> None:
    """Name the backends that nobody asked for and that have no part in it."""
    from oneblock import backends

    left = sorted(set(backends.names()) - {cell.backend for cell in chosen})
    if left and not named:
        note(f"oneblock: without a part in this: {', '.join(left)} (`oneblock doctor` says why, --backend asks)")


def fitted(chosen: list[Cell], axis: str, within: Bounds, *, quiet: bool) -> list[Cell]:
    """For each cell the largest of its kind that fits its target, and the next, which does not."""
    from rich.console import Console

    from oneblock.bench._fit import fit

    found: dict[Cell, None] = {}
    with Console(stderr=True, quiet=quiet).status("looking for the largest that fits") as status:
        for cell in chosen:
            result = fit(cell, axis, within, lambda one, doing: status.update(f"{one.name}  {doing}"))
            found |= dict.fromkeys(result.cells)
    return list(found)


def go(run: Run, *, quiet: bool) -> list[Any]:
    """Run with live progress on standard error; an interruption says how to go on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, disable=quiet) as bar:
        task = bar.add_task("starting", total=run.progress.planned)

        def tell(cell: Cell, doing: str) -> None:
            bar.update(task, completed=run.progress.launches, description=f"{cell.name}  {doing}")

        try:
            records = run.go(tell)
        except KeyboardInterrupt:
            done = f"{len(run.finished)} of {len(run.cells)} cells are done"
            note(f"oneblock: interrupted: {done}; the same command goes on from here")
            raise SystemExit(130) from None
        bar.update(task, completed=run.progress.planned, description="done")
    if run.skipped:
        note(f"{len(run.skipped)} of {len(run.cells)} cells had a record already and were not measured (--again does)")
    return records


def show(records: list[Any], directory: Path) -> None:
    """The tables, then what is wrong or doubtful, then where the records are."""
    from oneblock.bench._tables import console, remarks, results

    out = console()
    for part in (*results(records), *remarks(records)):
        out.print(part)
    out.print(f"{len(records)} records in {directory}; next: oneblock report -o {directory}", highlight=False)
