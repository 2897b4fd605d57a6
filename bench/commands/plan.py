"""`oneblock plan`: which hardware serves a model, how fast and for how much, and what would turn the order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import PRESET
from oneblock.bench.commands._options import MODEL, PRESETS, model_asked
from oneblock.bench.cost.evidence import evidence, right, scratch, wrong
from oneblock.bench.cost.plan import Asked, plan, unserved
from oneblock.bench.cost.prices import read_prices
from oneblock.bench.cost.processor import Processor
from oneblock.bench.cost.traffic import Objective, Traffic
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.files import write_asked
from oneblock.bench.report.plan_page import render
from oneblock.bench.silicon.calibration import DTYPE
from oneblock.bench.terminal import evidence as told
from oneblock.bench.terminal import plans as shown
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Chip
from oneblock.workloads.ops.nearest import unknown


@command(
    "plan",
    "oneblock plan --preset llama-1b",
    "oneblock plan --preset llama-1b records",
    "oneblock plan --preset llama-8b --traffic 2048:256:4 --slo ttft=500ms,itl=30ms --prices prices.toml",
)
@click.argument("records", nargs=-1, type=click.Path(path_type=Path))
@MODEL(name="path")
@click.option("--preset", type=PRESET, help=f"{PRESETS}.  [default: llama-1b]")
@click.option("--target", "targets", multiple=True, metavar="TARGET", help="Only these chips, or cpu.  [default: all]")
@click.option("--dtype", type=click.Choice([DTYPE]), default=DTYPE, show_default=True, help="Of weights and caches.")
@click.option(
    "--traffic", default="1024:256", show_default=True, metavar="IN:OUT[:RATE]",
    help="Tokens of a prompt and of its answer, and requests a second.",
)  # fmt: skip
@click.option("--slo", default=None, metavar="ttft=TIME,itl=TIME", help="How long a first token, and each further one.")
@click.option(
    "--prices", "price_file", type=click.Path(path_type=Path),
    help="A TOML file of prices, dated; docs/plan.md has one. Without it there is no money.",
)  # fmt: skip
@click.option("--to", "page", type=click.Path(path_type=Path), help="Also a page: ranges, table, flip points.")
@json_option
def COMMAND(
    records: tuple[Path, ...], path: Path | None, preset: str | None, targets: tuple[str, ...], dtype: str,
    traffic: str, slo: str | None,
    price_file: Path | None, page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Say which hardware serves a model for least, and which smallest change of an assumption would turn the order.

    All is modelled: memory by formula, and the time of each launch by the model that `oneblock trial` holds against
    silicon, with the range that held-out launches have; a chip without rows has the range of chips that were left out,
    and this machine's processor that of its own calls, as `oneblock trial --cpu` keeps it. A replica decodes a batch
    and reads prompts between; the batch is the one that serves most of those that fit and meet the objective, on 1, 2,
    4 or 8 devices, whichever costs least. Flip points are solved for and computed on both sides. Times are of devices:
    no host, no queue. RECORDS are directories of records: what they measured and counted of the model's block stands in
    columns of its own, the scratch that a compiler reports is taken off its target's memory, and a target whose answers
    are all wrong is left out.

    Exit status: 0 if a target serves what was asked for, 1 if none does, 2 for a mistake.
    """
    asked = Asked(
        model_asked(path, preset), dtype, Traffic.parse(traffic), Objective() if slo is None else Objective.parse(slo),
        None if price_file is None else read_prices(price_file),
    )  # fmt: skip
    _check(asked)
    known_of = evidence(records, asked.model, dtype) if records else []
    if records:
        asked = replace(asked, wrong=wrong(known_of), scratch=scratch(known_of), right=right(known_of))
    every: list[Chip | Processor] = [*chips.every(Chip), Processor.here()]
    known = {chip.target: chip for chip in every}
    if strange := [one for one in targets if one not in known]:
        raise Refused(unknown("target", strange[0], [*known]))
    with going_on("planning", quiet=as_json):
        found = plan(asked, [chip for target, chip in known.items() if not targets or target in targets])
    if page is not None:
        write_asked(page, (piece.encode() for piece in render(found, known_of)), "--to")
    if as_json:
        answer(shown.data(found) | {"records": told.data(known_of)})
    else:
        for line in shown.answers(found):
            say(line)
        if any(one.service is not None for one in found.choices):
            console().print(shown.table(found))
        if known_of:
            console().print(told.table(known_of))
        for why in unserved(found):
            note(f"oneblock: left out: {why}")
        for line in shown.remarks(found):
            note(f"oneblock: {line}")
    if not found.able:
        raise click.exceptions.Exit(1)


def _check(asked: Asked) -> None:
    """Of what a model cannot serve at all."""
    positions, most = asked.traffic.prompt + asked.traffic.answer, asked.model.positions
    if most is not None and positions > most:
        raise Refused(f"--traffic: {asked.model.name} has {most:,} positions, and {asked.traffic} are {positions:,}")
    if asked.model.context is not None and positions > asked.model.context:
        trained = f"{asked.model.name} was trained on {asked.model.context:,} positions"
        note(f"oneblock: {trained}, and these are {positions:,}")
