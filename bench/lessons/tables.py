"""Labs as tables: which there are, how answers stand, and how far somebody is."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from oneblock.bench.lessons.attempt import Attempt
from oneblock.bench.lessons.item import Verdict
from oneblock.bench.lessons.lab import Lab
from oneblock.bench.terminal.fitted import Table

_STYLES = {"right": "green", "wrong": "red", "unanswered": "yellow", "ungraded": "dim"}


def listed(labs: Iterable[Lab]) -> Table:
    """Which labs there are."""
    table = Table("lab", "title", "minutes", "modules", "toolchains, besides NumPy")
    for lab in labs:
        table.add_row(str(lab.number), lab.title, str(lab.minutes), " ".join(lab.modules), " ".join(lab.needs) or "-")
    return table


def table(found: Iterable[Verdict]) -> Table:
    """How each answer stands; the truth of none is told."""
    made = Table("part", "item", "answer", "standing")
    for one in found:
        given = "" if one.answer is None else str(one.answer)
        made.add_row(one.part, one.item, Text(given), Text(one.standing, style=_STYLES[one.standing]))
    return made


def progress(attempts: Iterable[Attempt]) -> Table:
    """How far each lab is, and which misconceptions its last check found."""
    made = Table("lab", "seed", "predicted", "run", "checked", "right", "wrong", "open", "ungraded", "misconceptions")
    for one in attempts:
        done = [sum(event["what"] == what for event in one.state.events) for what in ("predict", "run", "check")]
        last = one.state.last("check") or {"standings": {}, "held": {}}
        words = [*last["standings"].values()]
        of = [words.count(word) for word in ("right", "wrong", "unanswered", "ungraded")]
        held = ", ".join(f"{item}: {name}" for item, name in last["held"].items())
        made.add_row(one.lab.name, str(one.seed), *(str(n) if n else "-" for n in done + of), Text(held or "-"))
    return made
