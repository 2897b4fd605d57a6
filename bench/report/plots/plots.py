"""The plots of one page: Vega-Lite specifications, numbered as sections add them, which the page's script draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import plain
from oneblock.bench.report.packed import Packed
from oneblock.bench.report.plots.vega import Spec
from oneblock.bench.report.rows.rows import Row

SAMPLES_SHOWN = 20_000  # of the whole page: each is some 8 bytes of it and one mark to draw


@dataclass(frozen=True)
class Plot:
    """One plot: its number on the page, and what it shows, in words."""

    number: int
    words: str


class Plots:
    """The plots of one page; a backend has the same colour in all of them.

    They are kept as JSON with no character that means something to HTML.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.backends = sorted({plain(row.record.cell.backend) for row in rows})
        launches = sum(len(row.record.launches) for row in rows)
        self.most_samples = max(10, min(100, SAMPLES_SHOWN // max(1, launches)))
        self.specs, self.count = Packed(), 0  # JSON, with commas between

    def add(self, chart: Spec, words: str) -> Plot:
        """Put a chart on the page, as wide as its place."""
        text = json.dumps({**chart, "width": "container", "description": words}, separators=(",", ":"), allow_nan=False)
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        self.specs.add(f",{text}" if self.count else text)
        self.count += 1
        return Plot(self.count - 1, words)
