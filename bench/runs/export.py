"""An export as its user sees it: programs handed over once they are known to be right, with what others need beside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.export import ModuleTaker
from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.units import size
from oneblock.bench.records.dependence import installed
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.records.record import Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import to_json
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.worker.export_job import ExportedProgram, ExportJob
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers.api.export import Form, Mark, OperatorList
from oneblock.workloads.answers.verdict import BUDGET

_INPUTS = 2
_HOW = (
    "Call the program with the arguments in this order; they are in arguments.safetensors, by name. Its results come "
    "in the order of results; the exact ones are in answers.safetensors, in float64, and what is NaN there is not "
    "judged. Of each the root mean square of the error, the largest error, and the L2 norm of the error over that of "
    "the exact result may be so large and no larger."
)
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
    outcome: Outcome[ExportedProgram]
    files: tuple[str, ...] = ()
    targets: tuple[ForTarget, ...] = ()

    @property
    def good(self) -> bool:
        """Whether a program was handed over."""
        return bool(self.files)


def export_program(cell: Cell, form: Form, directory: Path, within: Bounds, listen: Listener) -> ExportOutcome:
    """Export one program; its files take their names when the answers are right, and the page beside them last."""
    stem = file_name(cell.subject)
    with scratch("export", directory) as folder:
        reference = str(folder / "reference.npz")
        made = launch(ReferenceJob(cell, reference, _INPUTS), within, listen=listen)
        if made.status is not Status.PASSED:
            return ExportOutcome(cell.subject, made.ending())
        outcome = launch(ExportJob(cell, form, reference, str(folder), stem), within, listen=listen)
        if outcome.status is not Status.PASSED or outcome.result is None:
            return ExportOutcome(cell.subject, outcome)
        names = [f"{stem}.{ending}" for ending in outcome.result.files]
        for name in names:
            os.replace(folder / name, directory / name)
    paths = [directory / name for name in names]
    if form is not Form.NEURON:
        paths.append(directory / f"{stem}.{form}.json")
        write_asked(paths[-1], to_json(manifest(cell, form, stem, outcome.result)), "-o")
    return ExportOutcome(cell.subject, outcome, tuple(map(str, paths)))


def manifest(cell: Cell, form: Form, stem: str, written: ExportedProgram) -> dict[str, Any]:
    """What somebody must know to run a program elsewhere, and to judge what it answers there."""
    allowed = {output.name: output.allowance for output in written.checks[0].outputs}
    return {
        "program": cell.subject,
        "form": form,
        "format": written.format,
        **installed(("oneblock",)),
        "files": {
            ending: {"name": f"{stem}.{ending}", "sha256": file.sha256, "bytes": file.nbytes}
            for ending, file in written.files.items()
        },
        "arguments": written.parameters,
        "results": [
            {
                "name": one.name,
                "dtype": one.dtype,
                "shape": one.shape,
                "largest_rms_error": BUDGET * allowed[one.name].yardstick_rms_err,
                "largest_error": BUDGET * allowed[one.name].yardstick_max_err,
                "largest_relative_l2_error": allowed[one.name].relative_l2_limit,
            }
            for one in written.outputs
        ],
        "how": _HOW,
        "opcodes": written.opcodes,
    }


def scripts(exported: ExportOutcome, cells: Sequence[Cell], taker: ModuleTaker) -> ExportOutcome:
    """An exported module with what compiles it for the targets of its cells."""
    if exported.outcome.result is None or not exported.good:
        return exported
    module, sha256 = Path(exported.files[0]), next(iter(exported.outcome.result.files.values())).sha256
    return replace(exported, targets=tuple(_for_target(cell, taker, module, sha256) for cell in cells))


def _for_target(cell: Cell, taker: ModuleTaker, module: Path, sha256: str) -> ForTarget:
    target = cell.target
    try:
        command = taker.compile_command(module.name, cell.subject, target)
    except Unsupported as error:
        return ForTarget(cell.target, None, f"no script: {error}")
    script = module.with_name(f"{file_name(cell.subject)}.{target.architecture}.sh")
    text = _SCRIPT.format(name=cell.subject, target=cell.target, sha256=sha256, module=module.name, command=command)
    write_asked(script, text.encode(), "-o", mode=0o755)
    return ForTarget(cell.target, str(script), None)


def marked(written: ExportedProgram, operators: OperatorList | None) -> list[dict[str, Any]]:
    """Each opcode with its count, and where there is a list what that says of it; those that it lacks first."""
    if operators is None:
        return [{"opcode": opcode, "count": count} for opcode, count in sorted(written.opcodes.items())]
    rows = [
        {"opcode": opcode, "count": count, "mark": mark, "names": names}
        for opcode, count in written.opcodes.items()
        for mark, names in [operators.mark(opcode)]
    ]
    order = [Mark.NOT_LISTED, Mark.LISTED, Mark.STRUCTURAL]
    return sorted(rows, key=lambda row: (order.index(row["mark"]), -row["count"], row["opcode"]))


def result(handed: Sequence[ExportOutcome], operators: OperatorList | None) -> dict[str, Any]:
    """All of it as data."""
    exports = [
        {
            "subject": one.subject,
            "status": one.outcome.status,
            "reason": one.outcome.reason,
            "hint": one.outcome.hint,
            "log_tail": one.outcome.log_tail,
            "files": one.files,
            "written": one.outcome.result,
            "opcodes": marked(one.outcome.result, operators) if one.outcome.result is not None else [],
            "targets": one.targets,
        }
        for one in handed
    ]
    return {"exports": exports, "operators": operators}


def parts(one: ExportOutcome, operators: OperatorList | None) -> list[Table | Text]:
    """What is printed of one program."""
    written, outcome = one.outcome.result, one.outcome
    if written is None or not one.good:
        hint = f"; {outcome.hint}" if outcome.hint else ""
        return [Text(f"{one.subject}: nothing was handed over: {outcome.reason}{hint}", style="red")]
    used = max(check.budget_used or 0.0 for check in written.checks)
    first, program = next(iter(written.files.items()))
    within = f" in {written.computations} computations" if written.computations > 1 else ""
    beside = ", ".join(path.removeprefix(one.files[0].removesuffix(first)) for path in one.files[1:])
    lines = [
        f"{one.files[0]}: {written.format}; {sum(written.opcodes.values())} instructions{within}, "
        f"{size(program.nbytes)}; its {len(written.parameters)} parameters are the arrays in the order of their names",
        f"beside it, under the same name: {beside}",
        f"read back, run on the CPU and checked with {len(written.checks)} inputs: right, with {used:.2f} of "
        "the error that is allowed",
        *(f"{target.target}: {target.script or target.why}" for target in one.targets),
    ]
    tables = [] if operators is None else [_table(one.subject, marked(written, operators), operators.title)]
    return [*tables, *map(Text, lines)]


def _table(subject: str, rows: Sequence[dict[str, Any]], title: str) -> Table:
    table = Table(title=subject, title_justify="left", title_style="bold")
    table.add_column("opcode")
    table.add_column("count", justify="right")
    table.add_column(title)
    table.add_column("names there")
    for row in rows:
        style = "yellow" if row["mark"] is Mark.NOT_LISTED else ""
        table.add_row(row["opcode"], str(row["count"]), Text(row["mark"], style=style), Text(row["names"]))
    return table
