"""What every command is: examples first in its help, its own options, and its answer in JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import say, say_json


class Command(click.Command):
    """A command whose help begins with examples, and which says so where an option of one value is given several."""

    def __init__(self, *arguments: Any, examples: Sequence[str], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What `--help` prints; an example is a line whatever the width, so that it can be copied."""
        formatter.write_heading("Examples" if len(self.examples) > 1 else "Example")
        for example in self.examples:
            formatter.write(f"  {example}\n")
        formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, unless the last of several values would silently be the one that counts."""
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            for option, times in Counter(given).items():
                if times > 1 and isinstance(option, click.Option) and not (option.multiple or option.is_flag):
                    raise click.UsageError(f"{option.opts[-1]} takes one value, and {times} were given", ctx)
        return super().parse_args(ctx, args)


def command(name: str, *examples: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command of that name; its docstring is the rest of its help."""
    return click.command(name, cls=Command, examples=examples, **attributes)


def check_given(context: click.Context, rules: Iterable[tuple[str, str, bool, str]]) -> None:
    """Refused where an option was given that has no effect: (it, another, whether it needs that, what to say)."""
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for option, other, needed, sentence in rules:
        if option in given and (other in given) is not needed:
            raise Refused(sentence)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON on standard output.")(command)


def records_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where records are read from or written to."""
    return click.option(
        "-o", "--records", "directory", type=click.Path(path_type=Path), default=Path("records"), show_default=True,
        help="The records directory.",
    )(command)  # fmt: skip


def index_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whether what was read of a record before stands for the file while that is as it was."""
    return click.option(
        "--no-index", "indexed", flag_value=False, default=True, type=bool,
        help="Read every record, also those that are in the index of the folder and are as they were.",
    )(command)  # fmt: skip


def explain_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option of commands that print tables: what a column means, and nothing else is done."""

    def tell(ctx: click.Context, parameter: click.Parameter, column: str | None) -> None:
        if column is None or ctx.resilient_parsing:
            return
        from oneblock.bench.terminal.explain import explain

        for one in explain(column):
            say(f"{one.name}: {one.of}: {one.words}")
        ctx.exit()

    return click.option(
        "--explain", metavar="COLUMN", callback=tell, is_eager=True, expose_value=False,
        help="Say what a column of the tables means, and do nothing else.",
    )(command)  # fmt: skip


def answer(value: Any) -> None:
    """Print JSON, once and last: a dataclass, or anything made of what JSON has."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    from oneblock.bench.records.store import to_json

    try:
        text = to_json(value).decode().rstrip()
    except PydanticSerializationError:  # a path that is no UTF-8: its bytes stand as escapes
        text = json.dumps(to_jsonable_python(value, inf_nan_mode="strings"), indent=1)
    say_json(text)
