"""The costs of one cell over releases, each as a multiple of what it was with the first."""

from __future__ import annotations

from collections.abc import Sequence

from oneblock.bench.format.text import plain
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.releases import COSTS, figures
from oneblock.bench.records.record import Record
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import digits, layer, mark, name, quantity


def counts(plots: Plots, records: Sequence[Record]) -> Plot | None:
    """The chart; None where no cost is told by two releases. One that was nothing at first is left to the table."""
    told = [(plain(one.cell.toolchain or ""), figures(one)[WHOLE]) for one in records]
    values = [
        {"release": release, "figure": figure, "times": of[figure].value / first, "value": str(of[figure])}
        for figure in COSTS
        if (first := next((of[figure].value for _, of in told if figure in of), 0.0)) > 0
        for release, of in told
        if figure in of
    ]
    if len({one["release"] for one in values}) < 2:
        return None
    releases = [release for release, _ in told]
    x = name("release", sort=releases, title=None, axis={"labelAngle": -30})
    y = quantity("times", title="times the first release's", scale={"zero": False})
    tips = [name("figure"), name("release"), name("value"), digits("times")]
    line = layer(values, mark("line", point={"size": 45}), x=x, y=y, color=name("figure"), tooltip=tips)
    return plots.add(
        {"layer": [line], "height": 240}, f"Costs over {len(releases)} releases, as multiples of the first"
    )
