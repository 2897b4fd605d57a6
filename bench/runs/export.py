"""An export as its user sees it: modules handed over once they are known to be right, with what compiles them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.export import ModuleTaker
from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.units import size
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.records.record import Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.worker.export_job import ExportJob, HloModule
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers.api.export import Mark, OperatorList

_INPUTS = 2
_SCRIPT = """\
#!/bin/sh
# {name} for {target}, to be run where AWS's compiler is installed.
# The sum is that of the module whose answers were checked.
set -eu
cd "$(dirname "$0")"
echo "{sha256}  {module}" | sha256sum --check --quiet
{command}
"""


@dataclass(frozen=True)
class ForTarget:
    """What compiles a module for one target: a script, or why there is none."""

    target: str
    script: str | None
    why: str | None


@dataclass(frozen=True)
class ExportOutcome:
    """One program: how its export ended, and what was written; nothing where the answers were wrong."""

    subject: str
    outcome: Outcome[HloModule]
    module: str | None = None
    text: str | None = None
    targets: tuple[ForTarget, ...] = ()

    @property
    def good(self) -> bool:
        """Whether a module was handed over."""
        return self.module is not None


def export_program(
    cells: Sequence[Cell], taker: ModuleTaker, directory: Path, within: Bounds, listen: Listener
) -> ExportOutcome:
    """Export one program for the targets of its cells; the files take their names when the answers are right."""
    cell = cells[0]
    module, text = (directory / f"{file_name(cell.subject)}.hlo.{ending}" for ending in ("pb", "txt"))
    with scratch("export", directory) as folder:
        reference, unchecked, its_text = (str(folder / name) for name in ("reference.npz", module.name, text.name))
        made = launch(ReferenceJob(cell, reference, _INPUTS), within, listen=listen)
        if made.status is not Status.PASSED:
            return ExportOutcome(cell.subject, made.ending())
        outcome = launch(ExportJob(cell, reference, unchecked, its_text), within, listen=listen)
        if outcome.status is not Status.PASSED or outcome.result is None:
            return ExportOutcome(cell.subject, outcome)
        os.replace(unchecked, module)
        os.replace(its_text, text)
    targets = tuple(_for_target(one, taker, module, outcome.result) for one in cells)
    return ExportOutcome(cell.subject, outcome, str(module), str(text), targets)


def _for_target(cell: Cell, taker: ModuleTaker, module: Path, written: HloModule) -> ForTarget:
    target = cell.target
    try:
        command = taker.compile_command(module.name, cell.subject, target)
    except Unsupported as error:
        return ForTarget(cell.target, None, f"no script: {error}")
    script = module.with_name(f"{file_name(cell.subject)}.{target.architecture}.sh")
    text = _SCRIPT.format(
        name=cell.subject, target=cell.target, sha256=written.sha256, module=module.name, command=command
    )
    write_asked(script, text.encode(), "-o", mode=0o755)
    return ForTarget(cell.target, str(script), None)


def marked(written: HloModule, operators: OperatorList) -> list[dict[str, Any]]:
    """Each opcode with its count and what the list says of it; those that it lacks first."""
    rows = [
        {"opcode": opcode, "count": count, "mark": mark, "names": names}
        for opcode, count in written.opcodes.items()
        for mark, names in [operators.mark(opcode)]
    ]
    order = [Mark.NOT_LISTED, Mark.LISTED, Mark.STRUCTURAL]
    return sorted(rows, key=lambda row: (order.index(row["mark"]), -row["count"], row["opcode"]))


def result(handed: Sequence[ExportOutcome], operators: OperatorList) -> dict[str, Any]:
    """All of it as data."""
    exports = [
        {
            "subject": one.subject,
            "status": one.outcome.status,
            "reason": one.outcome.reason,
            "hint": one.outcome.hint,
            "log_tail": one.outcome.log_tail,
            "module": one.module,
            "text": one.text,
            "written": one.outcome.result,
            "opcodes": marked(one.outcome.result, operators) if one.outcome.result is not None else [],
            "targets": one.targets,
        }
        for one in handed
    ]
    return {"exports": exports, "operators": operators}


def parts(one: ExportOutcome, operators: OperatorList) -> list[Table | Text]:
    """What is printed of one program."""
    written, outcome = one.outcome.result, one.outcome
    if written is None or not one.good:
        hint = f"; {outcome.hint}" if outcome.hint else ""
        return [Text(f"{one.subject}: nothing was handed over: {outcome.reason}{hint}", style="red")]
    table = Table(title=one.subject, title_justify="left", title_style="bold")
    table.add_column("opcode")
    table.add_column("count", justify="right")
    table.add_column(operators.title)
    table.add_column("names there")
    for row in marked(written, operators):
        style = "yellow" if row["mark"] is Mark.NOT_LISTED else ""
        table.add_row(row["opcode"], str(row["count"]), Text(row["mark"], style=style), Text(row["names"]))
    used = max(check.budget_used or 0.0 for check in written.checks)
    lines = [
        f"{one.module} and .txt: {sum(written.opcodes.values())} instructions in {written.computations} computations, "
        f"{size(written.nbytes)}; its {len(written.parameters)} parameters are the arrays in the order of their names",
        f"read back, run by XLA on the CPU and checked with {len(written.checks)} inputs: right, with {used:.2f} of "
        "the error that is allowed",
        *(f"{target.target}: {target.script or target.why}" for target in one.targets),
    ]
    return [table, *map(Text, lines)]
