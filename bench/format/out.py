"""The way out: all text for a terminal that is no table goes through here, and tables through terminal/screen.py.

Records, backends, compilers and files may be called anything and say anything; none of it is obeyed by a terminal.
"""

from __future__ import annotations

import click

from oneblock.bench.format.text import escaped, visible


def say(text: str) -> None:
    """A line of what was asked for, on standard output."""
    click.echo(visible(text))


def say_on(text: str) -> None:
    """A part of a line of what was asked for, shown at once."""
    click.echo(visible(text), nl=False)


def note(sentence: str) -> None:
    """A remark on standard error, so that standard output stays what was asked for."""
    click.echo(visible(sentence), err=True)


def say_json(text: str) -> None:
    """JSON on standard output: the same values, in characters that no terminal obeys."""
    click.echo(escaped(text))
