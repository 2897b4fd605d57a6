"""`oneblock plan --to PAGE`: the answer, each choice's range as a picture, the table, and where the order turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined

from oneblock.bench import cost
from oneblock.bench.cost.plan import Choice, Plan, unserved
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE, Array
from oneblock.bench.report.page_assets import own_script, own_style, policy_hash, vega
from oneblock.bench.report.plots.plots import Plots
from oneblock.bench.report.plots.vega import Spec, digits, layer, log, mark, name, quantity
from oneblock.bench.report.templates import Templates
from oneblock.bench.terminal import plans as shown


def render(plan: Plan) -> Iterator[str]:
    """The page's pieces. It asks the network for nothing."""
    plots = Plots(())
    served = [one for one in plan.choices if one.service is not None]
    drawn = [(title, plots.add(_chart(served, title, which), f"{title} of each target, logarithmic"))
             for title, which in _quantities(plan)] if served else []  # fmt: skip
    folders = (Path(cost.__file__).parent, Path(__file__).parent)  # of the page, and of the macros that pages share
    made = Templates(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= {"policy_hash": policy_hash}
    table = shown.table(plan)
    yield from made.get_template("assets/plan.html").generate(
        what=shown.what(plan), answers=[*shown.answers(plan)], drawn=drawn,
        headings=[str(column.header) for column in table.columns],
        rows=[*zip(*(map(str, column.cells) for column in table.columns), strict=True)],
        flips=[shown.turned(one, plan) for one in sorted(plan.flips, key=lambda one: one.far)],
        remarks=[*shown.remarks(plan), *unserved(plan)], plots=plots, bundle=vega(), own=own_script(()),
        style=own_style(()),
    )  # fmt: skip


def _quantities(plan: Plan) -> list[tuple[str, int]]:
    money = plan.asked.prices is not None
    first = f"thousandths of {plan.asked.prices.currency} a request" if plan.asked.prices else "device ms a request"
    return [(first, 2 if money else 0), ("ms a token, prompts between", 1)]


def _chart(served: list[Choice], title: str, which: int) -> Spec:
    """A line from the low to the high end of each choice's range, and a point at its middle."""
    points = []
    for one in served:
        value = _value(one, which)
        if value is not None:
            low, middle, high = (float(1e3 * value[end]) for end in (LOW, MIDDLE, HIGH))
            points.append({"target": one.target, "low": low, "middle": middle, "high": high})
    y = name("target", title=None, sort=None)
    x = quantity("middle", title=f"{title} (log)", scale=log(nice=False))
    ends = {"x": quantity("low", title=f"{title} (log)", scale=log(nice=False)), "x2": {"field": "high"}}
    tips = [name("target"), digits("low"), digits("middle"), digits("high")]
    line = layer(None, mark("rule", strokeWidth=3, opacity=0.45, color="var(--c1)"), y=y, tooltip=tips, **ends)
    dot = layer(None, mark("point", filled=True, size=50, color="var(--c1)"), y=y, x=x, tooltip=tips)
    return {"data": {"values": points}, "layer": [line, dot], "height": {"step": 18}}


def _value(one: Choice, which: int) -> Array | None:
    service = one.service
    assert service is not None
    return (service.device_s, service.itl_s, service.per_request())[which]
