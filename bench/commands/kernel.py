"""`oneblock kernel`: a script's NKI kernels run by the interpreter, held to the hardware's rules, and counted."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path

import click

from oneblock import backends
from oneblock.backends.api.scripts import Documented, ScriptRunner
from oneblock.backends.api.target import Target
from oneblock.bench.commands._command import answer, command, explain_option, json_option
from oneblock.bench.commands._options import BackendOption, TargetOption, capable
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.runs.scripts import run_script
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.script import ScriptAnswer
from oneblock.compilers.api.names import Known


@command(
    "kernel",
    "oneblock kernel labs/neuron_linear.py --target neuron:trn1 --lines",
    "oneblock kernel --list",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("script", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", cls=TargetOption, platform="neuron", help="There is no default.")
@click.option("--backend", cls=BackendOption, having=ScriptRunner, help="The first by default.")
@click.option("--list", "listing", is_flag=True, help="List the language's documented names, and run nothing.")
@click.option("--lines", is_flag=True, help="Show each call's instructions by source line.")
@click.option("--perfetto", type=click.Path(path_type=Path), help="Write each call's modelled timeline to this folder.")
@explain_option
@json_option
def COMMAND(
    script: Path | None, arguments: tuple[str, ...], target: str | None, backend: str | None, listing: bool,
    lines: bool, perfetto: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run SCRIPT, in which `import nki` means oneblock's interpreter, and show what its kernels issued.

    A script may say what its kernels compute, before it calls them: COMPUTES = {"rms_norm": "rms_norm", "add": add_of},
    by kernel an operation of ours or a function of the same arguments over NumPy; each answer is then checked.
    Exit status: 0 if it ran, 1 if a kernel broke a rule of the hardware or the language, crashed or answered wrong, or
    the script failed, 2 for a mistake or where the script says so, 130 if interrupted. Without AWS's own nki only.

    --list says of each name that the language's maker documents whether it is interpreted; or refused, with why; or
    unknown, which a kernel that asks for it is told by name.
    """
    if listing:
        _list(backend, as_json=as_json)
        return
    if script is None or target is None:
        what = "SCRIPT" if script is None else "--target, for which there is no default"
        raise click.UsageError(f"Missing {what}; or give --list.")
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
    for sentence, times in Counter((*ran.checked, *ran.refused)).items():
        note(f"oneblock: {sentence}" + (f" ({times} calls)" if times > 1 else ""))
    if not ran.kernels and not ran.refused and ran.error is None:
        note(f"{script}: no kernel was called")
    raise SystemExit(ran.exit_status if ran.exit_status in (0, 2) and not ran.refused else 1)


def _list(backend: str | None, *, as_json: bool) -> None:
    offered = backends.having(Documented)  # of ours: others' are imported by workers alone
    found = backends.ours(capable(Documented, "has a documented kernel language", backend, offered))
    assert isinstance(found, Documented)
    language = found.documented()
    if as_json:
        answer(language)
        return
    table = Table("module", "here", "names", "which")
    for module, known in product(dict.fromkeys(one.module for one in language.names), Known):
        those = [one for one in language.names if (one.module, one.known) == (module, known)]
        if those:
            which = ", ".join(
                f"{one.name} ({one.why})" if one.why and known is Known.INTERPRETED else one.name for one in those
            )
            table.add_row(module, known, str(len(those)), which)
    console().print(table)
    say(f"{language.version}, by {language.source}")
    for why in dict.fromkeys(one.why for one in language.names if one.known is Known.REFUSED):
        say(f"refused: {why}")


def _write(folder: Path, ran: ScriptAnswer) -> None:
    for i, (name, trace) in enumerate(zip(ran.kernels, ran.traces, strict=True)):
        write_asked(folder / file_name(f"{i:02d}-{name}.json"), json.dumps(trace).encode(), "--perfetto")
    note(f"{len(ran.kernels)} traces in {folder}: ui.perfetto.dev opens them")


def _show(ran: ScriptAnswer, target: str) -> None:
    for table in calls(ran.facts, f"{target}: ") if ran.facts is not None else ():
        console().print(table)
    for text in ran.by_line:
        say(text)
