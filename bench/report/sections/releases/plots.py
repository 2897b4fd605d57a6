"""The costs of one cell over releases, each as a multiple of what it was with the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import plain
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.releases import COSTS, figures
from oneblock.bench.records.record import Record
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import digits, layer, mark, name, quantity


@dataclass(frozen=True)
class Chart:
    """The chart, and what its caption says."""

    plot: Plot
    figures: tuple[str, ...]  # that are drawn
    from_nothing: tuple[str, ...]  # of them those that were 0 with the first release that tells them
    joined: bool  # by lines: one package moved


def counts(plots: Plots, records: Sequence[Record], *, joined: bool) -> Chart | None:
    """The chart; None where no cost that is ever more than 0 is told by two releases."""
    told = [(plain(one.cell.toolchain or ""), figures(one)[WHOLE]) for one in records]
    values = []
    drawn: dict[str, bool] = {}  # whether it was 0 at first
    for figure in COSTS:
        found = [(release, of[figure]) for release, of in told if figure in of]
        base = next((one.value for _, one in found if one.value), None)  # a multiple of 0 is none
        if base is not None:
            drawn[figure] = not found[0][1].value
            values += [
                {"release": release, "figure": figure, "times": one.value / base, "value": str(one)}
                for release, one in found
            ]
    if len({one["release"] for one in values}) < 2:
        return None
    releases = [release for release, _ in told]
    x = name("release", sort=releases, title=None, axis={"labelAngle": -30})
    y = quantity("times", title="times the first release's", scale={"zero": False})
    tips = [name("figure"), name("release"), name("value"), digits("times")]
    how = mark("line", point={"size": 45}) if joined else mark("point", filled=True, size=45)
    line = layer(values, how, x=x, y=y, color=name("figure"), tooltip=tips)
    words = f"Costs over {len(releases)} releases, as multiples of the first"
    plot = plots.add({"layer": [line], "height": 240}, words)
    return Chart(plot, tuple(drawn), tuple(figure for figure, nothing in drawn.items() if nothing), joined)
