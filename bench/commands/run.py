"""`oneblock run`: measure cells."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.cells.replaced import FORM
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.cells.tiers import tier as find_tier
from oneblock.bench.cells.toolchain import installed_as_asked
from oneblock.bench.commands._command import answer, command, explain_option, index_option, json_option, records_option
from oneblock.bench.commands._completion import BACKEND, OPS_SET, TIER
from oneblock.bench.commands._fitting import fit_options, fitted
from oneblock.bench.commands._fleet import asked, fleet_options, node_bounds
from oneblock.bench.commands._options import LAYER, TargetOption, bounds, bounds_options, cases_options
from oneblock.bench.commands._progress import Running, cost_of_all, go, show
from oneblock.bench.fleet.fleet_run import FleetRun
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.judge.model_memory import ModelMemory
from oneblock.bench.records.record import WITHOUT_TIMES, Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs.probes import rows
from oneblock.bench.runs.run import Run
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.model_fit import data
from oneblock.compilers import Detail
from oneblock.compilers.api.asked import ASKED


@command(
    "run",
    "oneblock run block --preset tiny",
    "oneblock run mlp --preset llama-1b --phase decode --dtype bfloat16 -B 1 -B 16 --backend torch_inductor",
    "oneblock run block --preset llama-1b --dtype bfloat16 --backend xla_tpu --target tpu:v5e --target tpu:v6e",
)
@cases_options
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=BACKEND,
    help="See `oneblock doctor`.  [default: all]",
)
@click.option(
    "--ops",
    "ops_sets",
    multiple=True,
    type=OPS_SET,
    help="plain, native, kernels, tuned.  [default: all but tuned that the backend has]",
)
@click.option("--target", "targets", cls=TargetOption, multiple=True, help="[default: the backend's first]")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A checkpoint: a .safetensors file, its index, or a .gguf file."
)
@LAYER
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another property than the preset's, e.g. kv_heads=4, rope_theta=10000 or qk_norm=head.",
)
@click.option("--seed", "weight_seed", type=click.IntRange(0), default=0, show_default=True, help="Of the weights.")
@click.option("--input-seed", type=click.IntRange(0), default=1, show_default=True, help="Of the inputs.")
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="An .npz file with x, and in decode k_cache and v_cache."
)
@click.option(
    "--replace",
    "replaced",
    multiple=True,
    metavar=FORM,
    help="A kernel of your own in place of an operation of --backend's ops set kernels; the file is run.",
)
@click.option(
    "--toolchain",
    "toolchains",
    multiple=True,
    metavar="NAME=VERSION",
    help="A release that is installed here because it was asked for: it is a coordinate of the cells.",
)
@click.option("--order-seed", type=int, default=0, show_default=True, help="Of the order of the cells.")
@click.option("--tier", default="smoke", show_default=True, type=TIER, help="smoke, standard, publish.")
@click.option(
    "--stages",
    "detail",
    type=click.Choice(["brief", "default", "all"]),
    default="default",
    show_default=True,
    help="How much of the lowering to keep; all is every pass, hundreds of MB.",
)
@fit_options
@click.option("--report", is_flag=True, help="And write the report of all records there, as `oneblock report` does.")
@click.option("--again", is_flag=True, help="Measure even what has a record.")
@bounds_options
@fleet_options
@records_option
@index_option
@explain_option
@json_option
def COMMAND(
    workload: tuple[str, ...], tier: str, directory: Path, as_json: bool, again: bool, order_seed: int, detail: str,
    axis: str | None, fit_of: str | None, report: bool, threads: int | None, timeout_s: float, memory_gib: float | None,
    indexed: bool, on: str | None, runtime_env: Path | None, toolchains: tuple[str, ...], **wanted: Any,
) -> None:  # fmt: skip
    """Measure cells: every combination of what is asked for, each checked, each in a process of its own.

    WORKLOAD is block, attention, mlp or norm [default: block]. Choices and sizes may be given more than once. A cell
    that has a record under the same identity is not measured again, so the same command goes on after an interruption.
    What it depends on is in that identity (cell, tier, machine, its backend's versions and code) and nothing else.
    With --on the nodes of a cluster do them, where their toolchains are; what is lost with a node is done again.
    Exit status: 0 if every cell passed or was compiled, interpreted or simulated, 1 if any did not or its record was
    lost meanwhile, or of --fit no size fits, 2 for a mistake, 130 if interrupted.
    """
    if fit_of is not None and axis is None:
        raise Refused(f"--fit-of {fit_of} says what --fit is of: expected --fit batch or --fit context beside it")
    if axis is not None and on is not None:
        raise Refused("--fit compiles one size after another here: expected no --on beside it")
    wanted["presets"] = wanted["presets"] or (() if wanted["models"] else ("gpt2",))
    wanted["dtypes"] = wanted["dtypes"] or ("float32",)
    if on is not None and toolchains:
        raise Refused("--toolchain is of what is installed here: expected no --on beside it")
    toolchain = installed_as_asked(toolchains)
    os.environ[ASKED] = toolchain or ""  # for the workers
    query = CellQuery(workloads=workload or ("block",), toolchain=toolchain, **wanted)
    query.cells([])  # a mistake is told before anything is started
    rules = Rules(find_tier(tier), Store(directory), order_seed, again, Detail(detail), indexed and not as_json)
    sums: list[ModelMemory] = []
    within = bounds(None if on else threads, timeout_s, memory_gib)
    with asked(on, node_bounds(threads, timeout_s, memory_gib), runtime_env, quiet=as_json) as fleet:
        with going_on("asking which backends work", quiet=as_json):
            named, targets = query.backends, [Target.parse(text) for text in query.targets]
            found = rows(named, bool(targets), within) if fleet is None else fleet.rows(named, targets)
        chosen = query.cells(found)
        _tell_before(query, chosen, rules, quiet=as_json)
        if axis is not None:
            chosen, sums = fitted(query, chosen, axis, fit_of, within, quiet=as_json)
        run: Running = (
            Run(chosen, **vars(rules), bounds=within) if fleet is None else FleetRun(fleet, chosen, **vars(rules))
        )
        records = go(run, quiet=as_json) if chosen else []  # of none where no size of a model fits
        if chosen and not as_json:
            show(records, directory, len(run.lost()))
    if chosen and report:
        from oneblock.bench.commands.report import write  # and with it all that draws a page

        with going_on("drawing the page", quiet=as_json):
            said = write([directory], directory / "report.html", "oneblock study", indexed=indexed).sentence
        note(said)
    if as_json:
        answer({"fit": data(sums), "records": records} if sums else records)
    good = (Status.PASSED, *WITHOUT_TIMES)
    raise SystemExit(0 if chosen and all(record.status in good for record in records) and not run.lost() else 1)


@dataclass(frozen=True)
class Rules:
    """How cells are run, wherever that is."""

    tier: Tier
    store: Store
    seed: int
    again: bool
    detail: Detail
    indexed: bool


def _tell_before(query: CellQuery, chosen: list[Cell], rules: Rules, *, quiet: bool) -> None:
    """What is good to know of cells before they are run."""
    _tell_left_out(chosen, query.backends)
    for remark in query.remarks():
        note(f"oneblock: {remark}")
    if rules.detail == Detail.ALL and not quiet:
        note(cost_of_all(chosen, rules.store))


def _tell_left_out(chosen: list[Cell], named: Sequence[str]) -> None:
    """Name the backends that nobody asked for and that have no part in it."""
    left = sorted(set(backends.names()) - {cell.backend for cell in chosen})
    if left and not named:
        note(f"oneblock: without a part in this: {', '.join(left)} (`oneblock doctor` says why, --backend asks)")
