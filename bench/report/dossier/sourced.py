"""What a dossier may print: a number only with its record and its kind, words of a record, and words of our own.

A number that is no `Sourced` cannot be rendered: `text_of` and `html` refuse it, also where it stands in a text, and a
table refuses a number of another kind than that of its column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from oneblock.bench.format.text import figures, plain
from oneblock.bench.format.units import seconds, size
from oneblock.compilers.api.kind import Kind

# A number that stands by itself: what is a part of a name, as in sm_90, llama-1b or 2x4, does not.
_FREE = re.compile(r"(?<![\w.:@+=/~#-])[-+]?\d[\d,.]*(?:[eE][-+]?\d+)?(?![\w:])")

_COUNTED = 1e15  # below which what is whole is shown to the last digit


class Unsourced(ValueError):
    """A number without its record, or of another kind than its column: it is not rendered."""


@dataclass(frozen=True)
class Source:
    """A file beside the page, by its name there, its SHA-256, and what it has by key."""

    href: str
    sha256: str
    told: Any = field(compare=False, repr=False)

    def at(self, *keys: str | int) -> str:
        """A link to a place in the file as a JSON pointer, or to the nearest place around it that is there."""
        found, told = [], self.told
        for key in keys:
            known = key in told if isinstance(told, dict) else isinstance(told, list) and key in range(len(told))
            if not known:
                break
            told = told[key]
            found.append(quote(str(key).replace("~", "~0").replace("/", "~1"), safe="~"))
        return quote(self.href) + "#" + "".join(f"/{one}" for one in found)


@dataclass(frozen=True)
class Sourced:
    """A number, in what unit, of what kind of evidence, and where in which record it stands."""

    value: float
    unit: str  # "s", "B", "%" of a share of 1, "error", or a word that stands behind it
    kind: Kind
    link: str

    def __post_init__(self) -> None:
        """Refuse what is no number, and what has no record."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            raise Unsourced(f"expected a finite number, got {self.value!r}")
        if not isinstance(self.kind, Kind) or not self.link.partition("#")[0]:
            raise Unsourced(f"{self.value!r}: expected its kind and its record, got {self.kind!r} and {self.link!r}")

    @property
    def text(self) -> str:
        """For people."""
        if self.unit == "s":
            return seconds(self.value) if self.value else "0 s"
        if self.unit == "B":
            return size(self.value)
        if self.unit in ("%", "error"):
            return f"{self.value:.0%}" if self.unit == "%" else f"{self.value:.1e}"
        whole = self.value == int(self.value) and abs(self.value) < _COUNTED
        number = f"{int(self.value):,}" if whole else figures(self.value)
        return f"{number} {self.unit}".rstrip()


@dataclass(frozen=True)
class Quoted:
    """Words of a record, or of whoever asked, which may be anything; and where they stand."""

    text: str
    link: str


@dataclass(frozen=True)
class Command:
    """What to type for a record that is not there."""

    text: str


Piece = str | Sourced | Quoted | Command
Sentence = tuple[Piece, ...]


@dataclass(frozen=True)
class Column:
    """One column; with a kind it is of numbers, and of no other kind."""

    heading: str
    kind: Kind | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells, each a sentence; an empty one is an answer that no record has."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Sentence, ...], ...]
    about: Sentence = ()

    def __post_init__(self) -> None:
        """Refuse a row of another width, and a number in a column of another kind."""
        for row in self.rows:
            for column, cell in zip(self.columns, row, strict=True):
                for one in cell:
                    if isinstance(one, Sourced) and one.kind is not column.kind:
                        raise Unsourced(
                            f"{column.heading}: expected numbers that are {column.kind}, got one {one.kind}"
                        )


@dataclass(frozen=True)
class Section:
    """A part of a dossier. Where records say nothing of it, `absent` says so."""

    name: str
    title: str
    tables: tuple[Table, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    absent: tuple[Sentence, ...] = ()


Numbers = Mapping[str, Sentence]  # by what they tell; of one thing there may be several kinds
Line = tuple[Sequence[Sentence], Numbers]  # of a table: words, and numbers behind them


def table(heads: Sequence[str], rows: Sequence[Line], about: Sentence = ()) -> tuple[Table, ...]:
    """Words, and behind them a column for each thing that is told and each kind of it; none without rows."""
    if not rows:
        return ()
    told: dict[tuple[str, Kind], None] = {}
    for _, numbers in rows:
        told |= {(name, kind): None for name, those in numbers.items() for kind in _kinds(those)}
    names = list(dict.fromkeys(name for name, _ in told))
    keys = sorted(told, key=lambda key: names.index(key[0]))
    columns = (*(Column(head) for head in heads), *(Column(name, kind) for name, kind in keys))

    def cells(words: Sequence[Sentence], numbers: Numbers) -> Iterator[Sentence]:
        yield from words
        for name, kind in keys:
            those = numbers.get(name, ())
            yield those if _kinds(those) == [kind] else listed([one for one in _sourced(those) if one.kind is kind])

    return (Table(columns, tuple(tuple(cells(*row)) for row in rows), about),)


def _sourced(sentence: Sentence) -> list[Sourced]:
    return [one for one in sentence if isinstance(one, Sourced)]


def _kinds(sentence: Sentence) -> list[Kind]:
    """Each once, in the order of the numbers."""
    return list(dict.fromkeys(one.kind for one in _sourced(sentence)))


def ranged(middle: Sourced, low: Sourced, high: Sourced) -> Sentence:
    """A number with the range around it."""
    return (middle, " (", low, " to ", high, ")")


def listed(pieces: Sequence[Piece]) -> Sentence:
    """Pieces with commas between."""
    return tuple(one for number, piece in enumerate(pieces) for one in ((", ", piece) if number else (piece,)))


def text_of(piece: Any) -> str:
    """What a piece says; Unsourced for a number that is none of a record."""
    if isinstance(piece, (Sourced, Quoted, Command)):
        return str(plain(piece.text))
    if isinstance(piece, str) and not _FREE.search(piece):
        return str(plain(piece))
    raise Unsourced(f"{piece!r}: expected words, or a number with its record and its kind")


def html(value: Any) -> str:
    """The HTML of a value, which a template prints: markup as it is, numbers and quoted words as links."""
    if type(value) is Markup:
        return value
    said = escape(text_of(value))
    if isinstance(value, Sourced):
        return Markup('<a class="number" data-kind="{0}" title="{0}" href="{1}">{2}</a>').format(
            value.kind.value, value.link, said
        )
    if isinstance(value, Quoted):
        return Markup('<a class="quoted" href="{}">{}</a>').format(value.link, said)
    return Markup("<code>{}</code>").format(said) if isinstance(value, Command) else said
