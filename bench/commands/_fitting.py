"""`--fit`: the largest batch or context that fits, of a whole model or of one block alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.judge.model_memory import ModelMemory
from oneblock.bench.records.scratch import scratch
from oneblock.bench.runs.fit import Tell, fit, sized
from oneblock.bench.runs.model_fit import ModelRoom
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.model_fit import table
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads.models import Model


def fit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--fit` and what of."""
    for option in (
        click.option(
            "--fit-of", type=click.Choice(["model", "block"]),
            help="Of --fit: the whole model (weights of all layers, embedding, head, caches, logits, and one block's "
            "scratch), or one block's program alone.  [default: model of a block, else what WORKLOAD is]",
        ),
        click.option(
            "--fit", "axis", type=click.Choice(["batch", "context"]),
            help="Instead of the size given, the largest that the target has room for, and the next.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def fitted(
    asked: CellQuery, chosen: list[Cell], axis: str, of: str | None, within: Bounds, *, quiet: bool
) -> tuple[list[Cell], list[ModelMemory]]:
    """(the cells to run, what models need): for each cell the largest of its kind that fits its target.

    Of a block alone the next, which does not fit, is run too: its own compiler refuses it. Of a model that one's block
    may compile well, and the sum says why it does not fit.
    """
    if asked.inputs is not None:
        raise Refused(f"--fit tries many sizes, and {asked.inputs} has one: leave out --inputs")
    if asked.replaced:
        raise Refused("--fit finds what fits with our kernels: leave out --replace")
    found: dict[Cell, None] = {}
    sums: list[ModelMemory] = []
    alone = {cell: of == "block" or (of is None and cell.case.workload != "block") for cell in chosen}
    for workload in dict.fromkeys(cell.case.workload for cell in chosen if alone[cell]):
        note(f"oneblock: --fit of {workload} alone: one program, and no whole model")
    with going_on("looking for the largest that fits", quiet=quiet) as say, scratch("fit") as folder:

        def tell(cell: Cell, doing: str) -> None:
            say(f"{cell.name}  {doing}")

        for cell in chosen:
            if alone[cell]:
                found |= dict.fromkeys(fit(cell, axis, within, tell).cells)
                continue
            room = ModelRoom(_whole(asked, cell), within, folder, tell)
            cells, needs = _of_model(room, cell, axis, within, tell)
            found |= dict.fromkeys(cells)
            sums += needs
    if not quiet:
        _tell(sums, axis)
    return list(found), sums


def _tell(sums: list[ModelMemory], axis: str) -> None:
    """A table for each model and target."""
    alone = {one.cell: sized(one.cell, axis, 1) for one in sums}  # of all sizes the same
    for cell in dict.fromkeys(alone.values()):
        console().print(table([one for one in sums if alone[one.cell] == cell], axis))


def _of_model(
    room: ModelRoom, cell: Cell, axis: str, within: Bounds, tell: Tell
) -> tuple[list[Cell], list[ModelMemory]]:
    result = fit(cell, axis, within, tell, room.fits)
    unknown = [one for one in result.cells if one not in room.found]  # refused, and the run says why
    fits = [] if result.fits is None else [result.fits]
    return [*fits, *unknown], [room.found[one] for one in result.cells if one in room.found]


def _whole(asked: CellQuery, cell: Cell) -> Model:
    """The model to be summed; Refused where there is none, or one chip's memory is not all that it has."""
    name, other = cell.case.config.name, "--fit-of block asks for its program alone"
    if cell.case.workload != "block":
        raise Refused(f"--fit-of model sums blocks, and {cell.case.workload} is none: {other}")
    if cell.target.devices > 1:
        raise Refused(f"--fit-of model sums one chip's memory, and {cell.target} is a mesh of chips: {other}")
    model = asked.model_of(cell)
    if model is None:
        raise Refused(f"--fit-of model: of {name} only a block is known: give --model its config.json, or {other}")
    return model
