"""`oneblock plan --to PAGE`: the answer, each choice's range as a picture, the table, and where the order turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined

from oneblock.bench import cost
from oneblock.bench.cost.evidence import Evidence
from oneblock.bench.cost.plan import Choice, Plan, unserved
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE, Array
from oneblock.bench.report.page_assets import own_script, own_style, policy_hash, vega
from oneblock.bench.report.plots.plots import Plots
from oneblock.bench.report.plots.vega import Spec, digits, layer, log, mark, name, quantity
from oneblock.bench.report.templates import Templates
from oneblock.bench.terminal import evidence as told
from oneblock.bench.terminal import plans as shown
from oneblock.bench.terminal.fitted import Table


def render(plan: Plan, known: Sequence[Evidence] = ()) -> Iterator[str]:
    """The page's pieces. It asks the network for nothing."""
    plots = Plots(())
    served = [one for one in plan.choices if one.service is not None]
    drawn = [(title, plots.add(_chart(served, title, which), f"{title} of each target, logarithmic"))
             for title, which in _quantities(plan)] if served else []  # fmt: skip
    folders = (Path(cost.__file__).parent, Path(__file__).parent)  # of the page, and of the macros that pages share
    made = Templates(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= {"policy_hash": policy_hash}
    yield from made.get_template("assets/plan.html").generate(
        what=shown.what(plan), answers=[*shown.answers(plan)], drawn=drawn,
        plan=_plain(shown.table(plan)), known=_plain(told.table(known)) if known else None,
        flips=[shown.turned(one, plan) for one in sorted(plan.flips, key=lambda one: one.far)],
        remarks=[*shown.remarks(plan), *unserved(plan)], plots=plots, bundle=vega(), own=own_script(()),
        style=own_style(()),
    )  # fmt: skip


def _plain(table: Table) -> tuple[list[str], list[tuple[str, ...]]]:
    """(headings, rows) of a terminal's table."""
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    return [str(column.header) for column in table.columns], [*rows]


def _quantities(plan: Plan) -> list[tuple[str, int]]:
    prices = plan.asked.prices
    first = "device ms a request" if prices is None else f"{prices.currency} for a thousand requests"
    return [(first, 0 if prices is None else 2), ("ms a token, prompts between", 1)]


def _chart(served: list[Choice], title: str, which: int) -> Spec:
    """A line from the low to the high end of each choice's range, and a point at its middle."""
    points = []
    for one in served:
        value = _value(one, which)
        if value is not None:
            ends = {"low": LOW, "middle": MIDDLE, "high": HIGH}
            points.append({"target": one.target} | {end: float(1e3 * value[at]) for end, at in ends.items()})
    y = name("target", title=None, sort=None)
    x, x_low = (quantity(end, title=f"{title} (log)", scale=log(nice=False)) for end in ("middle", "low"))
    tips = [name("target"), digits("low"), digits("middle"), digits("high")]
    line = layer(
        None,
        mark("rule", strokeWidth=3, opacity=0.45, color="var(--c1)"),
        y=y,
        tooltip=tips,
        x=x_low,
        x2={"field": "high"},
    )
    dot = layer(None, mark("point", filled=True, size=50, color="var(--c1)"), y=y, x=x, tooltip=tips)
    return {"data": {"values": points}, "layer": [line, dot], "height": {"step": 18}}


def _value(one: Choice, which: int) -> Array | None:
    service = one.service
    assert service is not None
    return (service.device_s, service.itl_s, service.per_request())[which]
