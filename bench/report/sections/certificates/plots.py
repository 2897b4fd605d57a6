"""Each divergence by its margin and its budget: below the line of equals rounding explains it."""

from __future__ import annotations

from typing import Any

from oneblock.bench.format.text import figures, plain
from oneblock.bench.judge.equal_tokens import EqualTokens
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import Spec, layer, log, mark, name, quantity


def margins(plots: Plots, equal: EqualTokens) -> Plot | None:
    """The chart of one question's divergences; None where none can be drawn, both axes being logarithmic."""
    points = [_point(made.who, one) for made, one in equal.divergences if one.margin > 0 and one.budget > 0]
    if not points:
        return None
    words = f"Margin against budget of {len(points)} divergences; all are in the table below"
    return plots.add(_chart(points, sorted({plain(made.who) for _, made in equal.of})), words)


def _point(backend: str, one: Any) -> dict[str, Any]:
    verdict = "explained" if one.explained else "unexplained"
    where = "not told" if one.layer is None else f"{one.layer}" + (f", {one.step}" if one.step else "")
    return {
        "x": one.budget, "y": one.margin, "backend": plain(backend), "verdict": verdict,
        "at": f"prompt {one.prompt}, token {one.position}", "tokens": f"{one.got} for {one.expected}",
        "margin": figures(one.margin), "budget": figures(one.budget), "layer": plain(where),
    }  # fmt: skip


def _chart(points: list[dict[str, Any]], backends: list[str]) -> Spec:
    axis = {"format": "~g", "tickCount": 6}
    x = quantity("x", title="budget: how far rounding may part the two logits (log)", axis=axis,
                 scale=log(nice=False, padding=14))  # fmt: skip
    y = quantity("y", title="margin: how far float64 has them apart (logits, log)", axis=axis,
                 scale=log(nice=False, padding=14))  # fmt: skip
    budgets = [point["x"] for point in points]
    low, high = min(budgets) / 1.5, max(budgets) * 1.5
    ends = [{"x": low, "y": low}, {"x": high, "y": high, "words": "margin = budget"}]
    line = layer(ends, mark("line", color="var(--soft)", strokeWidth=1.5, strokeDash=[5, 3]), x=x, y=y)
    told = layer(ends[1:], mark("text", align="right", dx=-12, dy=-4), x=x, y=y, text=name("words"))
    shape = name("verdict", scale={"domain": ["explained", "unexplained"], "range": ["circle", "cross"]})
    colour = name("backend", scale={"domain": backends})
    tips = [name(field) for field in ("backend", "at", "tokens", "margin", "budget", "layer", "verdict")]
    dots = layer(points, mark("point", filled=True, size=60, opacity=0.8), x=x, y=y, color=colour, shape=shape,
                 tooltip=tips)  # fmt: skip
    return {"layer": [line, told, dots], "height": 320}
