"""What a command refuses, and notes beside its answer."""

from __future__ import annotations

import click


class Refused(Exception):
    """The user's mistake or the world's, as a sentence: what was expected, what came, what to do."""


def note(sentence: str) -> None:
    """A remark on standard error, so that standard output stays what was asked for."""
    click.echo(sentence, err=True)
