"""`oneblock kernel`: a script's NKI kernels run by the interpreter, held to the hardware's rules, and counted."""

from __future__ import annotations

import json
from pathlib import Path

import click

from oneblock.backends.api.scripts import ScriptRunner
from oneblock.backends.api.target import Target
from oneblock.bench.commands._command import answer, command, explain_option, json_option
from oneblock.bench.commands._options import BackendOption, TargetOption, capable
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.runs.scripts import run_script
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.script import ScriptAnswer


@command(
    "kernel",
    "oneblock kernel labs/neuron_linear.py --target neuron:trn1 --lines",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", cls=TargetOption, platform="neuron", required=True, help="There is no default.")
@click.option("--backend", cls=BackendOption, having=ScriptRunner, help="The first by default.")
@click.option("--lines", is_flag=True, help="Show each call's instructions by source line.")
@click.option("--perfetto", type=click.Path(path_type=Path), help="Write each call's modelled timeline to this folder.")
@explain_option
@json_option
def COMMAND(
    script: Path, arguments: tuple[str, ...], target: str, backend: str | None, lines: bool, perfetto: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run SCRIPT, in which `import nki` means oneblock's interpreter, and show what its kernels issued.

    Exit status: 0 if it ran, 1 if a kernel broke a rule of the hardware or the language or the script failed, 2 for a
    mistake or where the script says so, 130 if interrupted. Without AWS's own nki only.
    """
    runner = capable(ScriptRunner, "interprets a script's kernels", backend)
    tell = [what for what, wanted in (("lines", lines), ("traces", perfetto is not None)) if wanted]
    ran = run_script(runner, script, arguments, Target.parse(target), tell=tell, quiet=as_json)
    if ran.exit_status == 130:
        raise Refused("interrupted", 130)
    if ran.error is not None:
        note(ran.error)
    if perfetto is not None and ran.kernels:
        _write(perfetto, ran)
    if as_json:
        answer(ran.facts)
    elif ran.kernels:
        _show(ran, target)
    for sentence in ran.refused:
        note(f"oneblock: {sentence}")
    if not ran.kernels and not ran.refused:
        note(f"{script}: no kernel was called")
    raise SystemExit(ran.exit_status if ran.exit_status in (0, 2) and not ran.refused else 1)


def _write(folder: Path, ran: ScriptAnswer) -> None:
    for i, (name, trace) in enumerate(zip(ran.kernels, ran.traces, strict=True)):
        write_asked(folder / file_name(f"{i:02d}-{name}.json"), json.dumps(trace).encode(), "--perfetto")
    note(f"{len(ran.kernels)} traces in {folder}: ui.perfetto.dev opens them")


def _show(ran: ScriptAnswer, target: str) -> None:
    for table in calls(ran.facts, f"{target}: ") if ran.facts is not None else ():
        console().print(table)
    for text in ran.by_line:
        say(text)
