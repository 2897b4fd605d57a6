"""Options of `oneblock releases` that would have no effect are refused before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from shutil import which

import click
from click.core import ParameterSource

from oneblock.bench.format.errors import Refused
from oneblock.bench.toolchains.release import Versions

# (an option, another, whether they go together or not at all, what to say otherwise)
_RULES = (
    ("rounds", "timed", True, "--rounds are of --compile-time: expected it beside them"),
    ("folder", "gate", True, "--budgets are of --gate: expected it beside them"),
    ("script", "gate", False, "--script counts what no budget is of: leave out --gate"),
    ("script", "page", False, "--script makes no records, and a page is of records: leave out --to"),
)


def check_options(context: click.Context) -> None:
    """Refused says which option has no effect, and which is missing."""
    of = context.params
    given = {name for name in of if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for option, other, together, sentence in _RULES:
        if option in given and (other in given) is not together:
            raise Refused(sentence)
    if of["figure"] and not of["halves"] and len(of["toolchains"]) < 2:
        raise Refused(f"--of {of['figure']} says what is searched: expected --bisect beside it, or several packages")
    if no := next((path for path in of["pythons"] if which(path) is None), None):
        raise Refused(f"--python {no}: expected an interpreter, and no program is there")
    if of["gate"] and not of["folder"].is_dir():
        raise Refused(f"--gate: {of['folder']} is no folder here: expected one of budgets, which --budgets names")


def check_search(ways: Sequence[Sequence[Versions]], figure: str | None, *, halves: bool) -> None:
    """Refused where a search is asked for and each package has one release."""
    if (halves or figure) and all(len(way) < 2 for way in ways):
        option = "--bisect" if halves else f"--of {figure}"
        raise Refused(f"{option} looks between releases: expected two or more of a package, and each has one")
