"""`oneblock kernel`: a script's NKI kernels run by the interpreter, held to the hardware's rules, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneblock.bench.commands._app import answer, json_option
from oneblock.bench.format.errors import Refused, note

if TYPE_CHECKING:
    from oneblock.compilers.nki.lowering import Call


@click.command("kernel", context_settings={"ignore_unknown_options": True})
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--target", required=True, help="neuron:inf2, trn1, trn2 or trn3; there is no default.")
@click.option("--lines", is_flag=True, help="Show each call's instructions by source line.")
@click.option("--perfetto", type=click.Path(path_type=Path), help="Write each call's modelled timeline to this folder.")
@json_option
def COMMAND(
    script: Path, arguments: tuple[str, ...], target: str, lines: bool, perfetto: Path | None, as_json: bool
) -> None:
    """Run SCRIPT, in which `import nki` means oneblock's interpreter, and show what its kernels issued.

    Exit status: 0 if it ran, 1 if a kernel broke a rule of the hardware or the language. Without AWS's own nki only.
    """
    from oneblock.compilers.nki import RealNkiHere
    from oneblock.compilers.nki.lowering import facts

    ran = _Ran()
    try:
        status = _run(script, arguments, target, ran, quiet=as_json)
    except RealNkiHere as error:
        raise Refused(f"{error}: run the script itself") from error
    if perfetto is not None:
        _write(perfetto, ran.calls)
    if as_json:
        answer(facts(ran.calls))
    elif ran.calls:
        _show(ran.calls, target, lines=lines)
    for sentence in ran.refused:
        note(f"oneblock: {sentence}")
    if not ran.calls and not ran.refused:
        note(f"{script}: no kernel was called")
    raise SystemExit(status or (1 if ran.refused else 0))


class _Ran:
    """What a script's kernels came to: those that ran, and what was refused, even where the script caught it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.refused: list[str] = []

    def tell(self, kernel: Any, args: Any, ended: Any) -> None:
        """Take in a run, or the error in its place."""
        from oneblock.compilers.nki import NotInterpreted
        from oneblock.compilers.nki.lowering import Call

        if isinstance(ended, Exception):
            kind = "not interpreted" if isinstance(ended, NotInterpreted) else "breaks a rule"
            self.refused.append(f"{kind}: {ended}")
        else:
            self.calls.append(Call.of(None, kernel, args, ended))


def _run(script: Path, arguments: tuple[str, ...], target: str, ran: _Ran, *, quiet: bool) -> int:
    """The script as Python would run it, every call of a kernel noted down; its exit status."""
    import os
    import runpy
    import sys
    import traceback
    from contextlib import nullcontext, redirect_stdout

    from oneblock.backends.api.target import Target
    from oneblock.compilers.nki import install, watched
    from oneblock.compilers.nki.kernel import PLATFORM

    architecture = Target.parse(target).architecture
    if not target.startswith("neuron:") or architecture is None:
        raise Refused(f"--target: expected neuron:inf2, neuron:trn1, neuron:trn2 or neuron:trn3, got {target!r}")
    install()
    os.environ[PLATFORM] = architecture
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        with watched(ran.tell), redirect_stdout(sys.stderr) if quiet else nullcontext():
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:  # noqa: BLE001  the script's own, told as Python tells it
        if not ran.refused:
            own = [frame for frame in traceback.extract_tb(error.__traceback__) if "runpy" not in frame.filename][1:]
            note("".join(["Traceback (most recent call last):\n", *traceback.format_list(own)]).rstrip())
            note(f"{type(error).__name__}: {error}")
        return 1
    return 0


def _write(folder: Path, calls: list[Call]) -> None:
    import json

    from oneblock.compilers.nki import perfetto

    folder.mkdir(parents=True, exist_ok=True)
    for i, call in enumerate(calls):
        path = folder / f"{i:02d}-{call.kernel.__name__}.json"
        path.write_text(json.dumps(perfetto(call.timeline, call.kernel.__name__)))
    note(f"{len(calls)} traces in {folder}: ui.perfetto.dev opens them")


def _show(calls: list[Call], target: str, *, lines: bool) -> None:
    from oneblock.bench.terminal.neuron import calls as table
    from oneblock.bench.terminal.records import console
    from oneblock.compilers.nki.lowering import by_line, facts

    out: Any = console()
    out.print(table(facts(calls), f"{target}: "))
    for i, call in enumerate(calls if lines else ()):
        click.echo(by_line(i, call))
