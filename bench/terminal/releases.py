"""Releases at the terminal: what each came to, and what moved between neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from rich.text import Text

from oneblock.bench.format.units import seconds
from oneblock.bench.judge.compile_times import Timed
from oneblock.bench.judge.culprit import CountMoved, Search
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.pass_moved import Parting, PassSearch
from oneblock.bench.judge.releases import GOOD, Moved
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.toolchains.release import Release, Versions

_OPERATIONS = 4  # whose numbers are shown in a row: those that moved most


def outcomes(releases: Iterable[Release]) -> Table:
    """How each release ended: its cells by status, or why there are none."""
    table = Table("release", "cells", "why")
    for one in releases:
        counts = Counter(record.status.value for record in one.records)
        cells = ", ".join(f"{count} {status}" for status, count in counts.items())
        reasons = dict.fromkeys(record.reason for record in one.records if record.status not in GOOD)
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
    if one.ended is not None:
        yield WHOLE, one.ended
    for step, each in groupby(one.alarms, key=lambda change: change[0]):
        yield step, "; ".join(str(change) for _, change in each)


def in_words(found: Sequence[Moved]) -> Iterator[str]:
    """What no row says: how many pairs did not move, or in their text alone; and counts that differ over one text."""
    still = [one for one in found if not one.any]
    other = [one for one in still if one.same_text is False]
    if len(still) > len(other):
        count = len(still) - len(other)
        yield f"{count} of {len(found)} pairs of neighbours are the same in every count, or the same text"
    if other:
        yield f"{len(other)} of {len(found)} pairs of neighbours have another text and the same counts"
    for one in found:
        if one.silent:
            said = "; ".join(dict.fromkeys(f"{change}" for _, change in one.silent))
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


def partings(of: PassSearch) -> Table:
    """Where the programs of two releases part for good, a row each."""
    table = Table(
        "kernel", "what", "same until", "parts with", "operations there", title="Which pass", title_justify="left"
    )
    for one in of.partings:
        until = "nowhere" if one.same_until is None else _one_or_both(one.same_until)
        table.add_row(one.of or "the program", one.what, until, Text(_blamed(one)), Text(_moved_there(one.operations)))
    return table


def passes_in_words(found: PassSearch) -> Iterator[str]:
    """What no row says: why there is none, which kernels part nowhere, and a figure that no pass here moved."""
    if found.refused is not None:
        yield f"goes no further: {found.refused}"
        return
    counted = {one.of for one in found.partings if found.counted in one.what}
    without = [one.of or "the program" for one in found.partings if one.of not in counted]
    if without:
        yield f"{', '.join(without)}: {found.counted} are the same in the end: what moved lies below these texts"
    if not found.partings:
        yield "the same text after the last pass: what moved lies below"
    elif found.same:
        yield f"the same text after the last pass: {', '.join(found.same)}"
    if found.single:
        yield f"in one of the two releases alone: {', '.join(found.single)}"


def _one_or_both(labels: tuple[str, str]) -> str:
    return labels[0] if labels[0] == labels[1] else " / ".join(labels)


def _blamed(one: Parting) -> str:
    if one.common is not None:
        return _one_or_both(one.common)
    before, after = (", ".join(names) for names in one.alone)
    if before and after:
        return f"{after} in place of {before}"
    return f"{after}, of the later alone" if after else f"{before}, of the earlier alone"


def _moved_there(operations: Mapping[str, tuple[int, int]]) -> str:
    most = sorted(operations.items(), key=lambda one: -abs(one[1][1] - one[1][0]))
    told = [f"{name} {was:,} -> {now:,}" for name, (was, now) in most[:_OPERATIONS]]
    more = f"; {len(most) - len(told)} more" if len(most) > len(told) else ""
    return "; ".join(told) + more if told else "as many of each kind"


def times_by_turns(of: Timed) -> Table:
    """How long releases took to compile by turns, a row for each case, clock and pair of neighbours."""
    title = f"Compile time, by turns in {of.rounds} rounds: medians, and the ratio within a round"
    columns = ("case", "clock", "release", "before", "after", "ratio", "99 % interval", "same again", "verdict", "why")
    table = Table(*columns, title=title, title_justify="left")
    for one in of.found:
        between = f"{one.low:.3f} to {one.high:.3f}"
        table.add_row(
            one.case, one.clock, f"{one.before} -> {one.after}", *map(seconds, one.medians_s), f"{one.ratio:.3f}",
            between, f"{one.same_again:.3f}", one.verdict.value, Text(one.why),
        )  # fmt: skip
    return table


def _named(versions: Versions) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _plain(value: float | None) -> str:
    return "none" if value is None else f"{value:,g}" if value < 1e6 else f"{value:,.0f}"


def data(one: Release) -> dict[str, Any]:
    """A release for --json."""
    cells = [{"cell": record.cell.name, "status": record.status, "reason": record.reason} for record in one.records]
    return {"versions": one.versions, "status": one.status, "reason": one.reason, "hint": one.hint, "cells": cells}


def moved_data(one: Moved) -> dict[str, Any]:
    """What moved, for --json; before and after in the unit that stands beside them."""
    changes = [
        {"step": step, "figure": change.name, "unit": change.after.unit, "kind": change.kind,
         "before": change.before.value, "after": change.after.value}
        for step, change in one.changes
    ]  # fmt: skip
    cell = replace(one.cell.cell, toolchain=None).name
    return {
        "cell": cell, "before": one.before, "after": one.after, "status": one.status, "same_text": one.same_text,
        "changes": changes,
    }  # fmt: skip
