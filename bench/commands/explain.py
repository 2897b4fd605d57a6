"""`oneblock explain`: what a column or a word means."""

from __future__ import annotations

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import TERM
from oneblock.bench.format.out import say
from oneblock.bench.terminal.explain import explain, listed, names
from oneblock.bench.terminal.screen import console


@command("explain", 'oneblock explain "error budget"', "oneblock explain VMEM", "oneblock explain")
@click.argument("term", nargs=-1, type=TERM)
@json_option
def COMMAND(term: tuple[str, ...], as_json: bool) -> None:
    """Say what TERM means: a column of a table, an estimate, a kind of evidence, a word; without TERM list them all.

    The same stands over the columns of the page, and is what --explain of other commands says.
    """
    if not term:
        answer(names()) if as_json else console().print(*listed())
        return
    found = explain(" ".join(term))
    if as_json:
        answer([one._asdict() for one in found])
    else:
        for one in found:
            say(f"{one.name}: {one.of}: {one.words}")
