"""`oneblock lab report` as a page: predictions against what was observed, and the misconceptions that were met."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined

from oneblock.bench.format.text import figures
from oneblock.bench.lessons.item import Answer, Item
from oneblock.bench.lessons.lab import Lab
from oneblock.bench.lessons.told import Prediction, Told, held
from oneblock.bench.report.page_assets import own_script, own_style, policy_hash, vega
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import INK, Spec, digits, layer, log, mark, name, quantity
from oneblock.bench.report.templates import Templates

UNITS = {"mb": "MB", "mib": "MiB", "kib": "KiB", "gib": "GiB", "us": "µs", "ms": "ms", "s": "s", "percent": "%"}
_FAR = 20.0  # times: values further apart stand on a logarithmic scale
_STEP = 26  # pixels a learner


@dataclass(frozen=True)
class Picture:
    """One item: its question, and every learner's number beside what was observed."""

    question: str
    plot: Plot


@dataclass(frozen=True)
class OfLab:
    """One lab of the page."""

    lab: Lab
    told: tuple[Told, ...]
    pictures: tuple[Picture, ...]

    @property
    def predictions(self) -> list[Prediction]:
        """Of all learners."""
        return [one for told in self.told for one in told.predictions]


def unit(item: Item) -> str:
    """What the numbers of an item are: as it says, or as its name ends; else they are counted."""
    return item.unit or UNITS.get(item.name.rpartition("_")[2], "count")


def shown(value: Answer) -> str:
    """A word as it is, a count whole, any other number by three digits."""
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else figures(value)


def render(told: Sequence[Told], refused: Sequence[str]) -> Iterator[str]:
    """The page's pieces. It asks the network for nothing, and every text of a learner's is escaped."""
    plots = Plots(())
    labs = [_of_lab(plots, [*group]) for _, group in groupby(told, key=lambda one: one.lab.name)]
    learners = list(dict.fromkeys(one.learner for one in told))
    bundle = vega() if plots.count else ""
    template = _environment().get_template("lessons/assets/report.html")
    yield from template.generate(
        labs=labs, learners=learners, refused=refused, held=held(told), plots=plots, bundle=bundle,
        own=own_script(()), style=own_style(()), unit=unit,
    )  # fmt: skip


def _environment() -> Templates:
    bench = Path(__file__).parents[1]
    made = Templates(
        loader=FileSystemLoader((bench, bench / "report")), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters |= {"shown": shown, "policy_hash": policy_hash}
    return made


def _of_lab(plots: Plots, told: Sequence[Told]) -> OfLab:
    by_item: dict[str, list[Prediction]] = {}
    for one in (one for of in told for one in of.predictions if not one.item.choices):
        by_item.setdefault(one.item.name, []).append(one)
    pictures = [_picture(plots, of) for of in by_item.values()]
    return OfLab(told[0].lab, tuple(told), tuple(pictures))


def _picture(plots: Plots, of: Sequence[Prediction]) -> Picture:
    alike = {one.question for one in of}  # those of other seeds have other sizes: then their names stand for them
    question = of[0].question if len(alike) == 1 else re.sub(r"{(\w+)}", r"\1", of[0].item.question)
    words = f"{of[0].item.name}, {unit(of[0].item)}: predicted and observed, by learner; the table below has both"
    return Picture(question, plots.add(chart(of), words))


def chart(of: Sequence[Prediction]) -> Spec:
    """A line for each learner from what was predicted to what was observed, in the unit of the question."""
    values = [
        {"learner": one.learner, "predicted": one.predicted, "observed": one.observed,
         "was": "predicted, right" if one.right else "predicted, wrong"} for one in of
    ]  # fmt: skip
    numbers = [float(value) for one in of for value in (one.predicted, one.observed)]
    wide = min(numbers) > 0 and max(numbers) / min(numbers) > _FAR
    scale = log(nice=True, padding=10) if wide else {"zero": True, "padding": 10}
    item = of[0].item
    what, _, ending = item.name.rpartition("_")
    what = (what if ending in UNITS else item.name).replace("_", " ")
    title = f"{what}, {unit(item)}{' (log)' if wide else ''}"
    axis = {"format": "~s" if max(map(abs, numbers)) >= 10_000 else ",.4~r", "tickCount": 5}
    x = quantity("predicted", title=title, scale=scale, axis=axis)
    many = len({one.learner for one in of}) > 1
    y = name("learner", title=None, axis={"labelLimit": 150} if many else None)
    tips = [name("learner"), digits("predicted"), digits("observed")]
    right = ["observed", "predicted, right", "predicted, wrong"]
    colour = name("was", title=None, scale={"domain": right, "range": [INK, "var(--good)", "var(--bad)"]})
    shape = name("was", title=None, scale={"domain": right, "range": ["diamond", "circle", "triangle"]})
    seen = [{**one, "was": "observed", "predicted": one["observed"]} for one in values]
    line = layer(values, mark("rule", color="var(--faint)", strokeWidth=1.5), x=x, x2={"field": "observed"}, y=y)
    point = mark("point", size=90, filled=True, opacity=1)
    both = layer([*seen, *values], point, x=x, y=y, color=colour, shape=shape, tooltip=tips)
    return {"layer": [line, both], "height": _STEP * len({one.learner for one in of}) + 14}
