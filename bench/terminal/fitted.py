"""Tables that fit where they are printed: no number or name in them is cut, whatever the width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from textwrap import fill
from typing import Any

from rich import table as _rich
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_ANY = 100_000
_FOLDED = 14  # characters that a text which folds is given at the least
_LEAST = 4
_FRAME = 3  # of each column: a line and a space on either side; and one line more


class Table(_rich.Table):
    """A table that leaves out whole columns where it is too wide, and says below which and how to see them.

    First its headings are stacked, texts that may fold are folded, and columns that say the same in every row are said
    once. Then those go whose headings are in `leaves`, in that order. The rest folds; nothing is ever cut.
    """

    def __init__(self, *headings: str, leaves: Iterable[str] = (), **how: Any) -> None:
        super().__init__(*headings, **how)
        self.leaves = [*leaves]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table as it fits, and what became of the rest."""
        room = options.max_width
        columns = [_Measured(column, console) for column in self.columns]
        wanted = _width(columns)
        if wanted <= room:
            yield from super().__rich_console__(console, options)
            return
        columns = [_Measured(_stacked(column), console) for column in self.columns]
        alike = [column for column in columns if column.same is not None]
        out = [*alike, *(column for name in self.leaves for column in columns if column.name == name)]
        gone: list[_Measured] = []
        while _width(columns, folded=True) > room and out:
            gone.append(out.pop(0))
            columns = [column for column in columns if column not in gone]
        yield self._of(columns, _allotted(columns, room))
        said = [f"{one.name} {one.same}" for one in gone if one.same is not None]
        lost = [one.name for one in gone if one.same is None]
        if said:
            yield Text(f"in every row: {', '.join(said)}")
        if lost:
            how = f"a terminal {wanted} wide, COLUMNS={wanted} before the command, or --json has them"
            yield Text(f"left out, as they do not fit: {', '.join(lost)} ({how})")

    def _of(self, columns: Sequence[_Measured], widths: Sequence[int]) -> _rich.Table:
        """The same rows in some columns, each of its width."""
        table = _rich.Table(
            title=self.title, title_justify=self.title_justify, title_style=self.title_style, caption=self.caption,
            caption_justify=self.caption_justify, show_footer=self.show_footer,
        )  # fmt: skip
        table.columns = [
            replace(one.column, width=width, max_width=None, no_wrap=False, overflow="fold", _index=number)
            for number, (one, width) in enumerate(zip(columns, widths, strict=True))
        ]
        table.rows = self.rows
        return table


def glossary(title: str, meanings: Iterable[tuple[str, str]]) -> _rich.Table:
    """Words with what they mean, which folds: without a frame, as nothing is compared."""
    table = _rich.Table.grid(padding=(0, 2))
    table.title, table.title_justify, table.title_style = title, "left", "bold"
    for word, meaning in meanings:
        table.add_row(f"  {word}", meaning)
    return table


class _Measured:
    """A column, how wide it is, and what it says if that is the same in every row."""

    def __init__(self, column: _rich.Column, console: Console) -> None:
        options = console.options.update(width=_ANY)
        parts = (column.header, column.footer, *column.cells)
        self.column = column
        self.name = _text(column.header).replace("-\n", "").replace("\n", " ")
        self.natural = max(Measurement.get(console, options, part).maximum for part in parts)
        self.folds = column.overflow == "fold" and column.justify == "left"
        texts = {_text(cell) for cell in column.cells}
        alike = len(texts) == 1 and len([*column.cells]) > 1 and column.justify == "left" and not column.footer
        self.same = texts.pop() or None if alike else None

    @property
    def folded(self) -> int:
        """The least that it is given while another column can go."""
        return min(self.natural, _FOLDED) if self.folds else self.natural


def _width(columns: Sequence[_Measured], *, folded: bool = False) -> int:
    return sum((one.folded if folded else one.natural) + _FRAME for one in columns) + 1


def _allotted(columns: Sequence[_Measured], room: int) -> list[int]:
    """The width of each: what it needs; those that fold share what is left, and where that is too little all give."""
    widths = [one.folded for one in columns]
    left = room - _width(columns, folded=True)
    while left > 0 and (more := [n for n, one in enumerate(columns) if widths[n] < one.natural]):
        narrowest = min(more, key=lambda n: widths[n])
        widths[narrowest] += 1
        left -= 1
    while left < 0 and max(widths) > _LEAST:
        widest = max(range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
        left += 1
    return widths


def _stacked(column: _rich.Column) -> _rich.Column:
    """The same with a heading of several words in several lines, where it is wider than the numbers below it."""
    heading = _text(column.header)
    if column.justify == "left" or "\n" in heading:
        return column
    widest = max((len(_text(part)) for part in (*column.cells, *heading.split())), default=1)
    return replace(column, header=Text(fill(heading, widest, break_long_words=False)))


def _text(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
