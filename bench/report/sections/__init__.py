"""What the page shows: a section is a folder here, and the directory is the list.

NAME/section.py    SECTION = Section(title, anchor, order, build): see bench/report/section.py
NAME/section.html  its template (Jinja), drawn under the heading: `data` is what build() gave; texts are escaped
NAME/section.css, NAME/section.js, NAME/plots.py  where it needs them

A folder that is half-defined is named and left out; the others are drawn.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from oneblock.bench.records.store import Problem
from oneblock.bench.report.section import Section

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every section there is: the folders here that hold a file."""
    return sorted(path.name for path in HERE.glob("[!_]*/") if any(one.is_file() for one in path.iterdir()))


def load(name: str) -> Section:
    """The section of a folder; whatever its section.py raises, and TypeError where it declares none."""
    section = getattr(importlib.import_module(f"{__name__}.{name}.section"), "SECTION", None)
    if not isinstance(section, Section):
        raise TypeError("section.py declares no SECTION = Section(title, anchor, order, build)")
    if not (HERE / name / "section.html").is_file():
        raise FileNotFoundError("it has no section.html")
    return section


def load_all() -> tuple[dict[str, Section], list[Problem]]:
    """The sections by the names of their folders, in the page's order, and those that are left out, each with why."""
    found, problems = {}, []
    for name in names():
        try:
            found[name] = load(name)
        except Exception as error:  # noqa: BLE001  a folder may raise anything: it is named, and the rest is drawn
            problems.append(refusal(name, error))
    kept: dict[str, Section] = {}
    taken: dict[str, str] = {}
    for name, section in sorted(found.items(), key=lambda one: (one[1].order, one[0])):
        claims = [f"anchor {section.anchor!r}", *([f"table {section.table.name!r}"] if section.table else ())]
        same = [claim for claim in claims if claim in taken]
        if same:
            problems.append(refusal(name, ValueError(f"{same[0]} is that of section {taken[same[0]]}; choose another")))
            continue
        kept[name] = section
        taken |= dict.fromkeys(claims, name)
    return kept, problems


def refusal(name: str, error: Exception) -> Problem:
    """A section that is left out, and why."""
    why = f"section {name} is left out: {type(error).__name__}: {error}"
    return Problem(HERE / name, f"{why}; see bench/report/sections/__init__.py")
