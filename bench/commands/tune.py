"""`oneblock tune`: search for schedules, configurations or block sizes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import click

from oneblock import backends
from oneblock.backends.api.backend import Tunable
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.cells.tiers import tier
from oneblock.bench.commands._command import answer, command, explain_option, json_option
from oneblock.bench.commands._fleet import asked, fleet_options, node_bounds
from oneblock.bench.commands._options import BackendOption, TargetOption, bounds, bounds_options, case_options
from oneblock.bench.fleet.jobs import launch_all
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.scratch import scratch
from oneblock.bench.runs.tuning import Tuning
from oneblock.compilers.api.search import COST_MODELS, Search
from oneblock.workloads.ops.nearest import unknown


@command(
    "tune",
    "oneblock tune block --preset tiny -T 16 --trials 64 --seeds 1",
)
@case_options(preset="gpt2", T=128, S=512)
@click.option("--backend", cls=BackendOption, having=Tunable, default="tvm_relax", show_default=True)
@click.option("--target", cls=TargetOption, default="cpu", show_default=True)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Candidates to measure for each seed, those of earlier runs counted.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the search.")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Searches, with this seed and those after it: would it come out the same again?",
)
@click.option("--cost-model", default="xgb", show_default=True, help="xgb, mlp or random: what proposes candidates.")
@click.option("--rpc", metavar="HOST:PORT/KEY", help="Measure on another host, by TVM's tracker.")
@click.option(
    "--tier",
    "tier_name",
    default="standard",
    show_default=True,
    help="How the winner, and what runs without a search, are measured: smoke, standard or publish.",
)
@partial(bounds_options, timeout_s=36000.0)
@fleet_options
@explain_option
@json_option
def COMMAND(
    workload: str, as_json: bool, trials: int, seed: int, seeds: int, cost_model: str, rpc: str | None, tier_name: str,
    threads: int | None, timeout_s: float, memory_gib: float | None, on: str | None, runtime_env: Path | None,
    **wanted: Any,
) -> None:  # fmt: skip
    """Search for what makes a program fast; what is found is kept, and used by `oneblock run --ops tuned`.

    A compiler with schedules (tvm_relax, by MetaSchedule) measures each candidate here. Kernels of our own rank every
    configuration: measured on a device, by a static model without one.

    Every candidate is kept as soon as it is measured, in ONEBLOCK_TUNED or the user's data folder, in a folder for each
    toolchain, target and seed; the same command goes on after any interruption. --timeout is of one search. With --on
    the searches are done by nodes of a cluster, all at once, and each is kept where it was done.
    """
    if cost_model not in COST_MODELS:
        raise LookupError(unknown("cost model", cost_model, list(COST_MODELS)))
    if rpc is not None and not re.fullmatch(r"[^:/]+:\d+/.+", rpc):
        raise Refused(f"--rpc {rpc!r}: expected HOST:PORT/KEY as TVM's tracker has them, e.g. 10.0.0.2:9190/board")
    if rpc is not None and on is not None:
        raise Refused(f"--on {on} and --rpc {rpc} both say where: give one of them")
    by = tier(tier_name)
    within = bounds(None if on else threads, timeout_s, memory_gib)
    cell = _cell(workload, **wanted)
    searches = [Search(trials, one, cost_model, rpc=rpc) for one in range(seed, seed + seeds)]
    tuning = Tuning(cell, within, searches)
    try:
        with asked(on, node_bounds(threads, timeout_s, memory_gib), runtime_env, quiet=as_json) as fleet:
            if fleet is not None:
                tuning.elsewhere = partial(launch_all, fleet, cell=cell)
            tuning.search(quiet=as_json)
        with scratch("tune") as folder:
            tuning.versus(folder, by, quiet=as_json)
    except KeyboardInterrupt:
        raise Refused("interrupted: what was measured is kept; the same command goes on from here", 130) from None
    if as_json:
        answer(tuning.result())
    else:
        tuning.show()
    raise SystemExit(0 if tuning.good else 1)


def _cell(
    workload: str, preset: str, model: Path | None, layer: int, phase: str, dtype: str, backend: str, target: str,
    B: int, T: int, S: int,
) -> Cell:  # fmt: skip
    """The one cell that is meant."""
    if backend not in backends.names():
        raise LookupError(unknown("backend", backend, backends.names()))
    wanted = CellQuery(
        (workload,), (preset,) if model is None else (), (phase,), dtypes=(dtype,), backends=(backend,),
        ops_sets=("plain",), targets=(target,), B=(B,), T=(T,), S=(S,), layer=layer,
        models=() if model is None else (model,),
    )  # fmt: skip
    (cell,) = wanted.cells([PlatformProbe(backend, "", None, None, None, None)])
    return cell
