"""`oneblock trial --to PAGE`: launches that were held out, modelled against reported, and the range that is printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined

from oneblock.bench import silicon
from oneblock.bench.report.page_assets import own_script, own_style, policy_hash, vega
from oneblock.bench.report.plots.plots import Plots
from oneblock.bench.report.plots.vega import INK, Spec, digits, layer, log, mark, quantity
from oneblock.bench.report.templates import Templates
from oneblock.bench.silicon.trial import Tried
from oneblock.bench.terminal.trials import off, sentences


def render(told: Sequence[Tried], left: Sequence[str], what: str) -> Iterator[str]:
    """The page's pieces. It asks the network for nothing."""
    plots = Plots(())
    drawn = [(one, plots.add(_chart(one), _words(one))) for one in told]
    folders = (Path(silicon.__file__).parent, Path(__file__).parent)  # of the page, and of the macros that pages share
    made = Templates(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= {"off": off, "policy_hash": policy_hash}
    yield from made.get_template("assets/trial.html").generate(
        drawn=drawn, left=left, what=what, answers=[*sentences(told, what)], plots=plots, bundle=vega(),
        own=own_script(()), style=own_style(()),
    )  # fmt: skip


def _words(one: Tried) -> str:
    away = off(one.held_out.median_log)
    return f"{one.target}, {one.rows.by}: reported against modelled µs, both logarithmic; {away} off"


def _chart(one: Tried) -> Spec:
    """Points (rows,) of held-out launches in µs; the line on which both are the same, and the range about it."""
    us = 1e6 * one.seen  # (modelled and reported, rows)
    points = [{"modelled": float(x), "reported": float(y)} for x, y in us.T]
    ends = [float(us[0].min()), float(us[0].max())]
    of = one.held_out
    lines = [
        [{"modelled": x, "reported": x * times} for x in ends] for times in (of.low, 1.0, of.high)
    ]  # fmt: skip
    x = quantity("modelled", title="modelled, µs (log)", scale=log(nice=False))
    y = quantity("reported", title="reported, µs (log)", scale=log(nice=False))
    dots = layer(points, mark("point", filled=True, size=14, opacity=0.35, color="var(--c1)"), x=x, y=y,
                 tooltip=[digits("modelled"), digits("reported")])  # fmt: skip
    ranges = [
        layer(line, mark("line", color=INK, strokeWidth=1, strokeDash=dash), x=x, y=y)
        for line, dash in zip(lines, ([4, 3], [1, 0], [4, 3]), strict=True)
    ]
    return {"layer": [dots, *ranges], "height": 260}
