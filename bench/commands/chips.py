"""`oneblock chips`: what is stated of each chip, by whom, and whether it agrees."""

from __future__ import annotations

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import CHIP
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.environment import default_threads, environment
from oneblock.bench.runs.limits import as_rows, known_of
from oneblock.bench.terminal import chips as shown
from oneblock.bench.terminal.screen import console
from oneblock.compilers import chips
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.chip import Chip
from oneblock.workloads.ops.nearest import unknown


@command("chips", "oneblock chips", "oneblock chips cuda:sm_90", "oneblock chips cpu")
@click.argument("target", required=False, type=CHIP)
@json_option
def COMMAND(target: str | None, as_json: bool) -> None:
    """Say what is stated of TARGET's chip: each figure with its source; without TARGET, a line for each chip.

    Where sources contradict one another all of them stand there. What a compiler says of the architecture is attested,
    by that tool and version. Equations hold figures against one another: units x clock = peak, pins x rate = bandwidth.
    A figure that no source states is absent, and why is said.

    Peaks are of dense products. A device is what a program is given: a GPU, a TPU as JAX counts them, a NeuronCore.
    Of cpu, this machine's processor, nothing is stated: its figures are the best that was measured here so far.
    """
    if target == "cpu":
        _processor(as_json=as_json)
        return
    known = {chip.target: chip for chip in chips.every(Chip)}
    for refused in chips.third_party().refused:
        note(f"oneblock: {refused}")
    if target is not None and target not in known:
        raise Refused(unknown("chip", target, [*known, "cpu"]))
    if as_json:
        answer([shown.plain(chip) for chip in known.values()] if target is None else shown.plain(known[target]))
    elif target is None:
        console().print(shown.table([*known.values()]))
    else:
        chip = known[target]
        console().print(shown.stated(chip))
        if (by_tools := shown.told_by_tools(chip)) is not None:
            console().print(by_tools)
        for line in shown.sentences(chip):
            say(line)


def _processor(*, as_json: bool) -> None:
    here = environment(default_threads())
    rows = [row for row in as_rows(known_of(here).rates) if row["target"] == "cpu" and row["rate"] is not None]
    if as_json:
        answer({"target": "cpu", "machine": here.machine, "kind": Kind.MEASURED, "figures": rows})
    elif not rows:
        raise Refused(
            "cpu: nothing was measured of this machine yet: `oneblock doctor --limits` does, as any run on it"
        )
    else:
        console().print(shown.measured(here.machine, rows))
