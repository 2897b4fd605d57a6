"""Texts of compilers on a terminal: with colours, through a pager, and without what a terminal would obey."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import click

from oneblock.bench.format.text import plain
from oneblock.bench.records.record import Record
from oneblock.compilers.dialects import lexer

LARGEST_COLOURED = 2**20  # characters: beyond that, colours take longer than a person waits
_STYLES: dict[str, dict[str, Any]] = {
    "comment": {"fg": "bright_black"}, "string": {"fg": "yellow"}, "type": {"fg": "cyan"},
    "keyword": {"fg": "bright_blue"}, "operation": {"fg": "bright_green"}, "variable": {"fg": "bright_red"},
    "number": {"fg": "magenta"},
}  # fmt: skip
_ODD = re.compile(r"[^\n\t\x20-\x7e]")


def visible(text: str) -> str:
    """Text whose control characters are shown as signs, "␛[31m", so that no terminal obeys them."""
    return _ODD.sub(lambda found: plain(found[0]), text)


def harmless(path: Path, record: Record) -> Record:
    """The record with all its texts visible: reasons, logs and names of kernels may be anybody's."""
    raw = path.read_bytes()
    safe = raw.isascii() and b"\\u" not in raw  # JSON has control characters as \u001b, and most records have none
    return record if safe else cast("Record", _all_visible(record))


def _all_visible(value: Any) -> Any:
    if isinstance(value, str):
        shown = visible(value)
        return value if shown == value else type(value)(shown)  # a target stays one
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _all_visible(getattr(value, field.name)) for field in fields(value)})
    if isinstance(value, tuple):
        return tuple(_all_visible(one) for one in value)
    if isinstance(value, dict):
        return {_all_visible(key): _all_visible(one) for key, one in value.items()}
    return value


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
    """Print lines of text; through $PAGER (or `less`) where a person sits at both ends, unless `pager` is False."""
    if pager and sys.stdout.isatty() and sys.stdin.isatty():
        click.echo_via_pager(f"{part}\n" for part in parts)
        return
    for part in parts:
        click.echo(part)
