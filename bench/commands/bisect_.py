"""`oneblock bisect`: finds the compiler's pass that changed the numbers, or a count.

The underscore after its name keeps it from hiding Python's own `bisect` where a file beside it is run as a script.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from oneblock import backends
from oneblock.backends.api.backend import Bisectable
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._options import BackendOption, TargetOption, bounds, bounds_options, case_options
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.records.scratch import scratch
from oneblock.bench.runs.bisection import Bisection
from oneblock.bench.runs.probes import declared
from oneblock.bench.terminal.bisection import parts
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.bisect_job import BisectionResult, BisectJob
from oneblock.bench.worker.jobs import Outcome
from oneblock.workloads.ops.nearest import unknown


@command(
    "bisect",
    "oneblock bisect block --backend jax_xla --dtype bfloat16 --drift 1.01",
    "oneblock bisect block --backend jax_xla --of fusions",
)
@case_options(preset="tiny", T=16, S=64)
@click.option("--backend", cls=BackendOption, having=Bisectable, required=True)
@click.option("--ops", "ops_set", help="plain, native or kernels; by default the backend's first.")
@click.option("--target", cls=TargetOption, default="cpu", show_default=True)
@click.option("--of", default="numbers", show_default=True, help="numbers, fusions or another count of the backend.")
@click.option(
    "--drift", type=click.FloatRange(1.0, min_open=True), help="Bad from this factor of the error with no pass."
)
@click.option(
    "--off", "left_out", multiple=True, metavar="PASS", help="Leave this one off throughout; may be repeated."
)
@click.option("--linear", is_flag=True, help="Try every pass in turn, and list each that changes it.")
@partial(bounds_options, timeout_s=1800.0)
@json_option
def COMMAND(
    workload: str, as_json: bool, of: str, drift: float | None, left_out: tuple[str, ...], linear: bool,
    threads: int | None, timeout_s: float, memory_gib: float | None, **wanted: Any,
) -> None:  # fmt: skip
    """Find the pass that changed the numbers of WORKLOAD, or how much was fused.

    Numbers are bad where the check against float64 rejects them; with --drift where the error has grown by that factor.
    A count is looked for where it comes nearer to that with every pass on than to that with none. Passes are switched
    off from the last to the first, by halves; those that a program cannot be compiled without stay on, and are named.

    Exit status: 0 if a pass was found, 1 if there is none or it could not be searched for.
    """
    if drift is not None and of != "numbers":
        raise Refused(f"--drift is of numbers, and --of {of} was asked for: leave out one of them")
    within = bounds(threads, timeout_s, memory_gib)
    job = BisectJob(_cell(workload, **wanted), of, None, drift, left_out, linear)
    try:
        with scratch("bisect") as folder:
            outcome = Bisection(job, within).run(folder, quiet=as_json)
    except KeyboardInterrupt:
        raise Refused("interrupted: nothing is kept of a search", 130) from None
    if as_json:
        answer(outcome.named("bisected"))
    else:
        _show(outcome)
    raise SystemExit(0 if outcome.result is not None and outcome.result.finding.found else 1)


def _show(outcome: Outcome[BisectionResult]) -> None:
    if outcome.result is None:
        note(f"oneblock: {outcome.status}: {outcome.reason}" + (f"; {outcome.hint}" if outcome.hint else ""))
        return
    out = console()
    for part in parts(outcome.result):
        out.print(part, soft_wrap=isinstance(part, Text))  # a flag is copied whole


def _cell(
    workload: str, preset: str, model: Path | None, layer: int, phase: str, dtype: str, backend: str,
    ops_set: str | None, target: str, B: int, T: int, S: int,
) -> Any:  # fmt: skip
    """The one cell that is meant."""
    if backend not in backends.names():
        raise LookupError(unknown("backend", backend, backends.names()))
    declared = _ops_sets(backend)
    wanted = CellQuery(
        (workload,), (preset,) if model is None else (), (phase,), dtypes=(dtype,), backends=(backend,),
        ops_sets=(ops_set or next(iter(declared)),), targets=(target,), B=(B,), T=(T,), S=(S,), layer=layer,
        models=() if model is None else (model,),
    )  # fmt: skip
    (cell,) = wanted.cells([PlatformProbe(backend, "", None, None, None, None, declared)])
    return cell


def _ops_sets(backend: str) -> Mapping[str, tuple[str, ...]]:
    if backend in backends.own():
        return backends.ours(backend).ops_sets
    return declared(backend).ops_sets or {"plain": ()}  # nothing is run of it: the search's process says what it lacks
