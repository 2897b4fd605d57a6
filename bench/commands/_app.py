"""The command line: every public file of this folder is a command, loaded when it is asked for."""

from __future__ import annotations

import ast
import contextlib
import importlib
import itertools
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from oneblock.bench.commands._streams import hold_standard_streams, lost_output
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say_json
from oneblock.compilers.api.process import kill_below


def _file(name: str) -> Path:
    """A command's file; one whose name would hide a module of Python's has an underscore after it: bisect_.py."""
    folder = Path(__file__).parent
    return path if (path := folder / f"{name}_.py").exists() else folder / f"{name}.py"


def _help(name: str) -> str | None:
    """The docstring of a command, without importing it."""
    for node in ast.parse(_file(name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "COMMAND":
            return ast.get_docstring(node)
    return None


class _Directory(click.Group):
    """Commands are the files of this folder without a leading underscore."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(path.stem.rstrip("_") for path in Path(__file__).parent.glob("[!_]*.py"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"oneblock.bench.commands.{_file(name).stem}").COMMAND
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `oneblock --help`, read off the files: to import them all takes half a second."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))  # as click has it
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, click.Command(name, help=_help(name)).get_short_help_str(width)) for name in names]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from oneblock.workloads.ops.nearest import unknown  # as below: `oneblock --help` imports neither

        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.UsageError(unknown("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


_EPILOG = (
    "`oneblock` alone says what to do next here. A shell completes commands, options and names of records, backends, "
    'targets and presets after  eval "$(_ONEBLOCK_COMPLETE=bash_source oneblock)"  (zsh_source, fish_source).'
)


@click.group(
    cls=_Directory,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(package_name="oneblock")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """One transformer block, every compiler: see each stage, check the numbers, time it honestly."""
    if ctx.invoked_subcommand is None:
        from oneblock.bench.commands._next import tell

        tell()


def main() -> None:
    """The `oneblock` command: exit status 0 for yes, 1 for no, 2 for a mistake, 130 for an interruption."""
    hold_standard_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell had it ignored
        signal.signal(signal.SIGINT, _interrupt)
    debug = "--debug" in sys.argv
    if debug:  # wherever it stands
        sys.argv = [sys.argv[0], "--debug", *(argument for argument in sys.argv[1:] if argument != "--debug")]
    status = _status(debug)
    # It is known how it ended, and a signal amid Python's own farewell would be another status.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (why := lost_output()) is not None:
        status = _fail(why, 2)
    # Python remembers whether what it last ran as text was interrupted, as the code that makes a dataclass may be amid
    # the imports, and under `-m` would then end by the signal. What it runs last is this.
    exec("")  # nosec B102
    sys.exit(status)


def _status(debug: bool) -> int:
    """Do what the command line says; how it ended, and a sentence wherever that was badly."""
    try:
        return cli.main(prog_name="oneblock", standalone_mode=False) or 0
    except SystemExit as end:
        return end.code if end.code in (1, 2, 130) and isinstance(end.code, int) else 0 if not end.code else 1
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except click.ClickException as error:
        return _fail(error.format_message() + _usage(error), 2)
    except Exception as error:  # noqa: BLE001  the last line of defence: a sentence, and with --debug all of it
        if debug:
            note(traceback.format_exc())
        return _fail(_sentence(error), error.status if isinstance(error, Refused) else 2)


def _interrupt(number: int, frame: object) -> None:
    """The first Ctrl-C ends in order, and a second at once, with all below: folders are then swept by the next run."""
    signal.signal(signal.SIGINT, _interrupt_at_once)
    raise KeyboardInterrupt


def _interrupt_at_once(number: int, frame: object) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, b"oneblock: interrupted\n")
    kill_below(os.getpid())
    os._exit(130)


def _usage(error: click.ClickException) -> str:
    """Where to look for what a command takes, if the mistake was in one."""
    context = getattr(error, "ctx", None)
    inside = isinstance(context, click.Context) and context.parent is not None
    return f" (oneblock {context.info_name} --help shows how)" if inside and context is not None else ""


def _sentence(error: Exception) -> str:
    """What went wrong, for whoever can mend it: errors of ours are sentences, those of libraries mostly are none."""
    ours = type(error).__module__.partition(".")[0] == "oneblock" or type(error) in (LookupError, ValueError)
    if ours and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return f"unexpected {type(error).__name__}: {error} (this is a fault of oneblock's; --debug shows where)"


def _fail(sentence: str, status: int) -> int:
    """Say what is wrong, and where JSON was asked for also in JSON: it is asked for before a word is understood."""
    note(f"oneblock: {sentence}")
    asked = itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    if "--json" in asked:
        say_json(json.dumps({"error": sentence}))
    return status
