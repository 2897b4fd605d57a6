"""Texts of compilers on a terminal: with colours, through a pager, and without what a terminal would obey."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from oneblock.bench.format.text import plain

if TYPE_CHECKING:
    from oneblock.bench.records.record import Record

LARGEST_COLOURED = 2**20  # characters: beyond that, colours take longer than a person waits
_LEXERS = {
    "python": "fx fx-after fx-post-grad aten inductor relax tir tir-scheduled traces triton tvm nki",
    "llvm": "llvm amdgpu-llvm llir",
    "ptx": "ptx",
    "gas": "asm amdgcn",
    "json": "perfetto",
}
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
    if type(value) is str:
        return visible(value)
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
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import TerminalFormatter  # type: ignore[import-untyped]

    # Every line is given its own colours, so that lines may be picked and reordered.
    return str(highlight(text, lexer(dialect), TerminalFormatter(bg="dark")))


@cache
def lexer(dialect: str) -> Any:
    """Pygments' lexer of a dialect ("llvm:fusion.1"); one for all that looks like HLO, MLIR or jaxpr."""
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    family = dialect.partition(":")[0]
    name = next((name for name, families in _LEXERS.items() if family in families.split()), None)
    if name is not None:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    from oneblock.bench.terminal.ir_lexer import IrLexer

    return IrLexer(stripnl=False, ensurenl=False)


def show(parts: Iterable[str], pager: bool) -> None:
    """Print lines of text; through $PAGER (or `less`) where a person sits at both ends, unless `pager` is False."""
    if pager and sys.stdout.isatty() and sys.stdin.isatty():
        click.echo_via_pager(f"{part}\n" for part in parts)
        return
    for part in parts:
        click.echo(part)
