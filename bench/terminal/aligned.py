"""Lines in columns, without boxes: for thousands of rows, which no person reads in order and `grep` finds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

MOST_IN_TABLES = 200  # tables, or rows of one: drawing a box takes ten times as long as a line


def aligned(rows: Sequence[Sequence[str]], words: Collection[int]) -> list[str]:
    """A line for each row, its columns one under another: words, those of these numbers, on the left; others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = [f"{'<' if number in words else '>'}{width}" for number, width in enumerate(widths)]
    return ["  ".join(map(format, row, places)).rstrip() for row in rows]
