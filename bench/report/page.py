"""The report: one HTML page that shows every record, the answers first, and asks the network for nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined

from oneblock.bench.format.text import figures
from oneblock.bench.records.store import Problem
from oneblock.bench.report import sections
from oneblock.bench.report.packed import Packed
from oneblock.bench.report.page_assets import has_script, own_script, own_style, policy_hash, vega
from oneblock.bench.report.phrases import PHRASES
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study
from oneblock.bench.report.templates import Templates
from oneblock.bench.terminal.explain import hovers
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Page:
    """A page, and the sections that could not be drawn on it, each with why."""

    pieces: Callable[[], Iterator[str]]  # in order: a page of thousands of records is not held in memory at once
    left_out: tuple[Problem, ...]

    @property
    def html(self) -> str:
        """All of it."""
        return "".join(self.pieces())

    def encoded(self) -> Iterator[bytes]:
        """Its pieces as they are written to a file."""
        return (piece.encode(errors="replace") for piece in self.pieces())


@dataclass(frozen=True)
class _Part:
    """A section as it is drawn, under its heading."""

    name: str
    section: Section
    pieces: Packed  # its HTML


def render(study: Study) -> Page:
    """The page. Every text of a record is escaped, and the page's policy lets no script run but its own.

    A section that is half-defined or fails is named at the page's head, and the others are drawn.
    """
    environment = _environment()
    found, refused = sections.load_all()
    parts = []
    for name, section in found.items():
        try:
            parts += _drawn(environment, study, name, section)
        except Exception as error:  # noqa: BLE001  one section must not take the page with it: it is named there
            refused.append(sections.refusal(name, error))
    names = tuple(part.name for part in parts)
    html = partial(
        environment.get_template("assets/report.html").generate,
        study=study,
        parts=parts,
        left_out=refused,
        kinds=_kinds(study.rows),
        record_kinds=Counter(row.record.kind.value if row.record.kind else "no evidence" for row in study.rows),
        bundle=vega() if study.plots.count else "",
        own=own_script(names),
        style=own_style(names),
        scripted=study.plots.count > 0 or len(study.rows) > 1 or has_script(names),
    )
    return Page(html, tuple(refused))


@cache
def _environment() -> Templates:
    """What the templates are read by; each is compiled once a process."""
    made = Templates(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.globals |= {"says": hovers(), **PHRASES}
    made.filters |= {"figures": figures, "quoted": lambda path: shlex.quote(str(path)), "policy_hash": policy_hash}
    return made


def _drawn(environment: Templates, study: Study, name: str, section: Section) -> list[_Part]:
    """The section as a part of the page; none where it has nothing to show of this study."""
    data = section.build(study)
    if data is None:
        return []
    template = environment.get_template(f"sections/{name}/section.html")
    return [_Part(name, section, Packed(template.generate(study=study, section=section, data=data)))]


def _kinds(rows: Sequence[Row]) -> dict[str, str]:
    seen = {row.record.kind for row in rows} | {row.record.costs.kind for row in rows}
    return {kind.value: kind.words for kind in Kind if kind in seen}
