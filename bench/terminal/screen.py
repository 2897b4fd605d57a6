"""The terminal: tables and texts with colours, through a pager, and without what a terminal would obey."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from oneblock.bench.format.text import visible
from oneblock.compilers.dialects import lexer

LARGEST_COLOURED = 2**20  # characters: beyond that, colours take longer than a person waits
_PIPED = 180  # characters a line, where nobody said how wide
_STYLES: dict[str, dict[str, Any]] = {
    "comment": {"fg": "bright_black"}, "string": {"fg": "yellow"}, "type": {"fg": "cyan"},
    "keyword": {"fg": "bright_blue"}, "operation": {"fg": "bright_green"}, "variable": {"fg": "bright_red"},
    "number": {"fg": "magenta"},
}  # fmt: skip
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")  # what click.style puts around a text


class Screen(Console):
    """A console on which every text is what it says: no markup, no emoji by name, no character that is obeyed.

    It holds for whatever is printed, a table's cells, titles and progress included, as all is rendered here.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of what is printed, its own moves of the cursor among them, made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.is_control else Segment(visible(segment.text), segment.style)


def console(*, stderr: bool = False, quiet: bool = False) -> Screen:
    """Standard output, where it is no terminal as wide as COLUMNS says, else as most tables need; or standard error."""
    out = Screen(stderr=stderr, quiet=quiet)
    if stderr or out.is_terminal:
        return out
    said = os.environ.get("COLUMNS", "")
    width = int(said) if said.isascii() and said.isdecimal() and int(said) > 0 else _PIPED
    return Screen(width=width, highlight=False, quiet=quiet)


def wants_colours() -> bool:
    """Whether standard output is a terminal that shows colours, and nobody asked for none (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(dialect: str, text: str) -> str:
    """A visible text with the colours of its dialect, line by line, or as it is where colours are not wanted."""
    if not wants_colours() or len(text) > LARGEST_COLOURED:
        return text
    colours = lexer(dialect)
    return "\n".join(  # every line has its own colours, so that lines may be picked and reordered
        "".join(piece if kind is None else click.style(piece, **_STYLES[kind]) for kind, piece in colours.tokens(line))
        for line in text.split("\n")
    )


def show(parts: Iterable[str], pager: bool) -> None:
    """Print lines of text; through $PAGER (or `less`) where a person sits at both ends, unless `pager` is False.

    The one kind of text that may bear colours of its own: those of whom it is shown to, where colours are wanted.
    """
    lines = (_harmless(part) for part in parts)
    if pager and sys.stdout.isatty() and sys.stdin.isatty():
        click.echo_via_pager(f"{line}\n" for line in lines)
        return
    for line in lines:
        click.echo(line)


def _harmless(line: str) -> str:
    if not wants_colours():
        return visible(line)
    pieces = _COLOUR.split(line)  # texts, and between them colours
    return "".join(piece if number % 2 else visible(piece) for number, piece in enumerate(pieces))
