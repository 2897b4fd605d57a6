"""Releases at the terminal: what each came to, and what moved between neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.text import Text

from oneblock.bench.judge.culprit import CountMoved, Search
from oneblock.bench.judge.releases import Moved
from oneblock.bench.records.record import WITHOUT_TIMES, Status
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.toolchains.release import Release, Versions

_GOOD = (Status.PASSED, *WITHOUT_TIMES)


def outcomes(releases: Iterable[Release]) -> Table:
    """How each release ended: its cells by status, or why there are none."""
    table = Table("release", "cells", "why")
    for one in releases:
        counts = Counter(record.status.value for record in one.records)
        cells = ", ".join(f"{count} {status}" for status, count in counts.items())
        reasons = dict.fromkeys(record.reason for record in one.records if record.status not in _GOOD)
        why = "; ".join(filter(None, (one.reason, one.hint))) or "; ".join(map(str, reasons))
        counted = f"{len(one.counts)} counted" if one.counts else str(one.status)
        table.add_row(one.name, cells or counted, Text(why))
    return table


def moves(found: Sequence[Moved]) -> Table:
    """What moved, a row for each cell, pair of releases and step."""
    table = Table("cell", "release", "step", "what moved", title="What moved", title_justify="left")
    for one in found:
        for step, said in _rows(one):
            table.add_row(_cell(one), f"{one.before} -> {one.after}", step, Text(said))
    return table


def count_moves(found: Sequence[CountMoved]) -> Table:
    """What a script's counts did, a row each."""
    table = Table("case", "release", "figure", "before", "after", title="What moved", title_justify="left")
    for one in found:
        table.add_row(one.case, f"{one.before} -> {one.after}", one.figure, *map(_plain, one.values))
    return table


def _cell(one: Moved) -> str:
    cell = one.cell.cell
    return f"{cell.subject} {cell.backend} {cell.ops} {cell.target}"


def _rows(one: Moved) -> Iterator[tuple[str, str]]:
    if one.status is not None:
        yield "whole", f"{one.status[0]} -> {one.status[1]}" + (f": {one.cell.reason}" if one.cell.reason else "")
    for step, each in groupby(one.alarms, key=lambda change: change[0]):
        yield step, "; ".join(str(change) for _, change in each)


def in_words(found: Sequence[Moved]) -> Iterator[str]:
    """What no row says: how many pairs did not move, and counts that differ over one and the same program."""
    still = [one for one in found if not one.any]
    if still:
        yield f"{len(still)} of {len(found)} pairs of neighbours are the same in every count, or the same text"
    for one in still:
        if one.changes:
            said = "; ".join(dict.fromkeys(f"{change}" for _, change in one.changes))
            yield f"no alarm, as the program is the same text: {_cell(one)}, {one.before} -> {one.after}: {said}"


def searched_in_words(of: Search) -> Iterator[str]:
    """Who moved the figure that was looked for."""
    if of.packages is not None:
        yield f"{of.figure} of {of.cell}: moved by {of.packages}"
        yield "; ".join(f"new {' and '.join(new) or 'none'}: {_plain(value)}" for new, value in of.packages.corners)
    if of.release is not None:
        found = of.release
        values = " -> ".join(map(_plain, found.values))
        builds = f"{found.builds} build{'s' * (found.builds != 1)} besides the two ends"
        yield f"{of.figure} of {of.cell}: {_named(found.before)} -> {_named(found.after)}: {values}, found in {builds}"
        for silent in found.silent:
            yield f"{_named(silent)}, between them, tells no {of.figure}: it may have been that release"


def _named(versions: Versions) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _plain(value: float | None) -> str:
    return "none" if value is None else f"{value:,g}" if value < 1e6 else f"{value:,.0f}"
