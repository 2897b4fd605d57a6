"""`oneblock doctor`: what works here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.text import Text

from oneblock import backends, workloads
from oneblock.backends.api.target import Target
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.commands import _cluster, _machine
from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import BACKEND
from oneblock.bench.commands._fleet import asked, fleet_options, node_bounds
from oneblock.bench.commands._options import bounds
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.format import errors
from oneblock.bench.records.environment import environment
from oneblock.bench.records.record import Environment
from oneblock.bench.runs.limits import CeilingCache, as_rows
from oneblock.bench.runs.probes import probe
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.compilers import chips, dialects
from oneblock.workloads import models
from oneblock.workloads.ops.definitions import OPS
from oneblock.workloads.ops.third_party import Refused


@command(
    "doctor",
    "oneblock doctor",
    "oneblock doctor --machine",
    "oneblock doctor --on ray://10.0.0.1:10001",
)
@click.option(
    "--backend",
    "chosen",
    multiple=True,
    type=BACKEND,
    help="Only these.  [default: all]",
)
@click.option("--limits", is_flag=True, help="Measure the machine's limits again; takes half a minute.")
@click.option("--machine", "can_measure", is_flag=True, help="Say whether this machine can measure now: 3 minutes.")
@fleet_options
@json_option
def COMMAND(
    chosen: tuple[str, ...], limits: bool, can_measure: bool, on: str | None, runtime_env: Path | None, as_json: bool
) -> None:
    """Say what works here, what does not, why, and the line that mends it.

    With --machine whether times that are measured now can be trusted: who disturbs, the canary's pace, and how far
    processes that time the same differ (A/A), which later verdicts stand on. With --on one table of a cluster's nodes.

    Exit status: 0 if any backend works here, 1 if none does.
    """
    within = bounds(None, 120.0, None)
    names = list(chosen) or backends.names()
    if on is not None and (limits or can_measure):
        raise errors.Refused(
            "--limits and --machine are of this machine: run them on the node that is meant, without --on"
        )
    with asked(on, node_bounds(None, 120.0, None), runtime_env, quiet=as_json) as fleet:
        if fleet is not None:
            _of_cluster(fleet, names, as_json=as_json)
    with going_on("asking each toolchain what works here", quiet=as_json) as tell:
        with ThreadPoolExecutor(1) as beside:  # reading the CPU's name takes a second, and waiting for probes several
            reading = beside.submit(environment, within.threads)
            found, here = probe(names, within), reading.result()
        ceilings = CeilingCache(here, within)
        if limits:
            tell("measuring the machine's limits")
            _measure(ceilings, found)
        tell("measuring the same several times")
        said = _machine.machine(found, here, ceilings) if can_measure else None
    if said is not None:
        answer(said) if as_json else _machine.show(said)
        return
    if as_json:
        answer({"backends": found, "environment": here, "limits": as_rows(ceilings.rates), "refused": _refused()})
    else:
        _print(found, here, as_rows(ceilings.rates), offers=bool(chosen))
    raise SystemExit(0 if any(row.device is not None or row.elsewhere for row in found) else 1)


def _of_cluster(fleet: Fleet, names: list[str], *, as_json: bool) -> NoReturn:
    with going_on("asking each node what works there", quiet=as_json):
        said = _cluster.asked(fleet, names)
    answer(said) if as_json else _cluster.show(said)
    raise SystemExit(0 if said.works else 1)


def _measure(ceilings: Any, found: list[PlatformProbe]) -> None:
    for row in found:
        if row.device is not None:
            ceilings.measure(LimitsJob(row.backend, Target(row.platform), row.dtypes, ceilings.bounds.threads))
    ceilings.measure(LimitsJob(None, Target("cpu"), ("read",), ceilings.bounds.threads))


def _alike(found: list[PlatformProbe]) -> list[list[PlatformProbe]]:
    """The rows of a backend that differ in their platform alone, such as all of a toolchain that is not installed."""
    groups = groupby(found, lambda row: replace(row, platform=""))
    return [list(rows) for _, rows in groups]


def _refused() -> list[str]:
    """What other packages registered and is not taken, each with the reason; a backend has a row that says it."""
    told = [str(one) for one in backends.registered().refused]
    for registered, load in (
        (workloads.registered(), workloads.load), (models.registered(), models.preset),
        (models.families(), models.family),
    ):  # fmt: skip
        told += [str(one) for one in registered.refused]
        for name in registered.points:
            try:
                load(name)
            except Refused as error:
                told.append(str(error))
    return [*told, *chips.third_party().refused, *dialects.refused().values()]


def _offers(found: list[PlatformProbe]) -> Table:
    """What each backend declares, whether its toolchain is here or not."""
    table = Table(title="offers", title_justify="left", title_style="bold")
    for column in ("backend", "dtypes", "ops", "replaced", "as the text has them"):
        table.add_column(column, overflow="fold")
    for row in {row.backend: row for row in found}.values():
        for ops_set, replaced in row.ops_sets.items():
            plain = (operation for operation in OPS if operation not in replaced)
            table.add_row(row.backend, " ".join(row.dtypes), ops_set, " ".join(replaced), " ".join(plain))
    return table


def _print(found: list[PlatformProbe], here: Environment, limits: list[dict[str, Any]], *, offers: bool) -> None:
    out = console()
    table = Table(title="backends", title_justify="left", title_style="bold")
    for column in ("", "backend", "target", "ops", "here", "what to do"):
        table.add_column(column, overflow="fold")
    for rows in _alike(found):
        row = rows[0]
        works = row.device is not None
        mark = Text("+", style="bold green") if works or row.elsewhere else Text("-", style="yellow")
        what = f"{row.device} ({row.kind})" if works else row.reason or ""
        for does, targets in (("interprets", row.interprets_for), ("compiles", row.compiles_for)):
            if targets:
                what = f"{does} for {', '.join(targets)}; {what}"
        table.add_row(
            mark,
            row.backend,
            " ".join(row.platform for row in rows),
            " ".join(row.ops_sets),
            Text(what),
            Text(row.hint or ""),
        )
    out.print(table)
    if offers:
        out.print(_offers(found))
    for sentence in _refused():
        out.print(Text(f"refused   {sentence}", style="yellow"))
    for line in _about(here, limits):
        out.print(line)


def _about(here: Environment, limits: list[dict[str, Any]]) -> Iterator[Text]:
    machine = here.machine
    yield Text(
        f"machine   {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    )
    yield Text("software  " + ", ".join(f"{name} {v}" for name, v in here.software.items() if v is not None))
    load = here.state.get("load_average")
    if isinstance(load, float) and isinstance(machine["cores"], int) and load > machine["cores"] / 2:
        yield Text(
            f"load      {load} on {machine['cores']} cores: other work will disturb what is measured", style="yellow"
        )
    if not limits:
        yield Text("limits    not measured yet: `oneblock run` does, or `oneblock doctor --limits`")
    for row in limits:
        if row["rate"] is None:
            continue
        unit, by = ("GB/s", "") if row["of"] == "read" else ("GFLOP/s", f" by {row['backend']}")
        what = "memory read" if row["of"] == "read" else f"{row['of']} matrix product"
        yield Text(f"limits    {row['target']}: {row['rate'] / 1e9:.0f} {unit} {what}{by} (measured)")
