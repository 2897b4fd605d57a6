"""`oneblock kernel`: a script's NKI kernels run by the interpreter, held to the hardware's rules, and counted."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import click

from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.scripts import ScriptRun, ScriptRunner
from oneblock.backends.api.target import Target
from oneblock.bench.commands._app import answer, json_option
from oneblock.bench.commands._options import BackendOption, TargetOption, capable
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.screen import console


@click.command("kernel", context_settings={"ignore_unknown_options": True})
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", cls=TargetOption, platform="neuron", required=True, help="There is no default.")
@click.option("--backend", cls=BackendOption, having=ScriptRunner, help="The first by default.")
@click.option("--lines", is_flag=True, help="Show each call's instructions by source line.")
@click.option("--perfetto", type=click.Path(path_type=Path), help="Write each call's modelled timeline to this folder.")
@json_option
def COMMAND(
    script: Path, arguments: tuple[str, ...], target: str, backend: str | None, lines: bool, perfetto: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run SCRIPT, in which `import nki` means oneblock's interpreter, and show what its kernels issued.

    Exit status: 0 if it ran, 1 if a kernel broke a rule of the hardware or the language. Without AWS's own nki only.
    """
    runner: ScriptRunner = capable(ScriptRunner, "interprets a script's kernels", backend)
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            ran = runner.run_script(script, arguments, Target.parse(target))
    except Unsupported as error:
        raise Refused(f"--target: {error}") from error
    except Unavailable as error:
        raise Refused(f"{error}: {error.hint}") from error
    if ran.error is not None:
        note(ran.error)
    if perfetto is not None:
        _write(perfetto, ran)
    if as_json:
        answer(ran.facts())
    elif ran.kernels:
        _show(ran, target, lines=lines)
    for sentence in ran.refused:
        note(f"oneblock: {sentence}")
    if not ran.kernels and not ran.refused:
        note(f"{script}: no kernel was called")
    raise SystemExit(ran.exit_status or (1 if ran.refused else 0))


def _write(folder: Path, ran: ScriptRun) -> None:
    for i, (name, trace) in enumerate(zip(ran.kernels, ran.traces(), strict=True)):
        write_asked(folder / file_name(f"{i:02d}-{name}.json"), json.dumps(trace).encode(), "--perfetto")
    note(f"{len(ran.kernels)} traces in {folder}: ui.perfetto.dev opens them")


def _show(ran: ScriptRun, target: str, *, lines: bool) -> None:
    for table in calls(ran.facts(), f"{target}: "):
        console().print(table)
    for text in ran.by_line() if lines else ():
        say(text)
