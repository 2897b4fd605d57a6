"""A dossier: its sections in order, as Markdown and as one HTML page that asks the network for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from markupsafe import Markup

from oneblock.bench import cost, report
from oneblock.bench.report.dossier import of_plan, of_records
from oneblock.bench.report.dossier.evidence import Evidence
from oneblock.bench.report.dossier.sourced import (
    Command,
    Piece,
    Quoted,
    Section,
    Sentence,
    Sourced,
    Table,
    html,
    text_of,
)  # fmt: skip
from oneblock.bench.report.page_assets import own_style, policy_hash
from oneblock.bench.report.templates import Templates
from oneblock.compilers.api.kind import Kind

_LINES = re.compile(r"\s*[\r\n]\s*")
_OBEYED = re.compile(r"([\\`*_{}\[\]#!|~])")  # by readers of Markdown; < and & become entities
SECTIONS = (
    of_plan.candidates, of_records.performance, of_records.accuracy, of_records.coverage, of_plan.capacity,
    of_plan.cost, of_records.operations, of_records.security, of_records.exit_plan, of_plan.matrix,
)  # fmt: skip


class _Figures(Templates):
    """Templates in which a number without its record and kind is an error."""

    shown = staticmethod(html)


def sections(evidence: Evidence) -> list[Section]:
    """All of them, whether or not records say anything."""
    return [of(evidence) for of in SECTIONS]


def page(evidence: Evidence, made: list[Section]) -> Iterator[str]:
    """The HTML page's pieces."""
    environment = environment_of()
    yield from environment.get_template("assets/dossier.html").generate(
        question=evidence.asked, sections=made, words={kind.value: kind.words for kind in Kind},
        left_out=evidence.not_here, bundle=Markup(), own=Markup(), style=own_style(()),
    )  # fmt: skip


def environment_of() -> Templates:
    """What the page's templates are read by."""
    folders = [
        Path(str(one.__file__)).parent for one in (cost, report)
    ]  # of the page, and of the macros that pages share
    found = _Figures(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    found.filters |= {"policy_hash": policy_hash, "sentence": sentence_html}
    return found


def sentence_html(sentence: Sentence) -> Markup:
    """Pieces one after the other, behind each number its kind."""
    kind = Markup(" <small>{}</small>")
    said = [(html(one), kind.format(one.kind.value) if isinstance(one, Sourced) else "") for one in sentence]
    return Markup("").join(piece for pair in said for piece in pair)


def markdown(evidence: Evidence, made: list[Section]) -> Iterator[str]:
    """The same as Markdown, by lines."""
    yield from ("# Dossier\n", "\n", f"> {_piece(evidence.asked)}\n")
    for section in made:
        yield f"\n## {_piece(section.title)}\n"
        for sentence in (*section.sentences, *section.absent):
            yield f"\n{_sentence(sentence)}\n"
        for table in section.tables:
            yield "\n"
            yield from _table(table)
    if evidence.left_out:
        yield "\n## Left out\n\n"
        yield from (f"* {_piece(why)}\n" for why in evidence.not_here)


def _table(table: Table) -> Iterator[str]:
    if table.about:
        yield f"{_sentence(table.about)}:\n\n"
    heads = [_piece(one.heading) + (f" ({one.kind.value})" if one.kind else "") for one in table.columns]
    rules = ["---:" if one.kind else "---" for one in table.columns]
    rows = (["".join(map(_piece, cell)) for cell in row] for row in table.rows)
    for line in (heads, rules, *rows):
        yield f"| {' | '.join(line)} |\n"


def _sentence(sentence: Sentence) -> str:
    return "".join(_piece(one) + (f" ({one.kind.value})" if isinstance(one, Sourced) else "") for one in sentence)


def _piece(piece: Piece) -> str:
    said = text_of(piece)
    if isinstance(piece, Command):
        return f"`{' '.join(said.replace('`', '').split())}`".replace("|", "\\|")
    if isinstance(piece, (Sourced, Quoted)):
        return f"[{_escaped(said)}]({piece.link})"
    return _escaped(said)


def _escaped(text: str) -> str:
    return _OBEYED.sub(r"\\\1", _LINES.sub(" ", text)).replace("&", "&amp;").replace("<", "&lt;")
