"""Labs as tables: which there are, how answers stand, and how far somebody is."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from oneblock.bench.lessons.attempt import Attempt
from oneblock.bench.lessons.item import Lesson, Verdict
from oneblock.bench.lessons.lab import Lab
from oneblock.bench.terminal.fitted import Table

_STYLES = {"right": "green", "wrong": "red", "unanswered": "yellow", "ungraded": "dim"}


def listed(labs: Iterable[Lab]) -> Table:
    """Which labs there are."""
    table = Table("lab", "title", "minutes", "modules", "toolchains, besides NumPy")
    for lab in labs:
        absent = lab.absent()
        needs = [f"{extra} (not here)" if extra in absent else extra for extra in lab.needs]
        table.add_row(str(lab.number), lab.title, str(lab.minutes), " ".join(lab.modules), ", ".join(needs) or "-")
    return table


def table(found: Iterable[Verdict], lesson: Lesson) -> Table:
    """How each answer stands, in its unit; the truth of none is told."""
    units = {item.name: item.unit for item in lesson.items}
    made = Table("part", "item", "answer", "standing")
    for one in found:
        unit = "" if isinstance(one.answer, str) else units[one.item]
        given = "" if one.answer is None else f"{one.answer} {unit}".rstrip()
        made.add_row(one.part, one.item, Text(given), Text(one.standing, style=_STYLES[one.standing]))
    return made


def progress(attempts: Iterable[Attempt]) -> Table:
    """How far each lab is."""
    made = Table("lab", "seed", "predicted", "run", "checked", "right", "wrong", "open", "ungraded")
    for one in attempts:
        done = [sum(event["what"] == what for event in one.state.events) for what in ("predict", "run", "check")]
        last = one.state.last("check") or {"standings": {}}
        words = [*last["standings"].values()]
        of = [words.count(word) for word in ("right", "wrong", "unanswered", "ungraded")]
        made.add_row(one.lab.name, str(one.seed), *(str(n) if n else "-" for n in done + of))
    return made
