"""The report's plots of compiled cells: estimates by method, HBM traffic by step, full slots and multiprocessors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oneblock.bench._plots import INK, Plot, Plots
from oneblock.bench._report_text import figures, plain

if TYPE_CHECKING:
    from oneblock.bench._report_compiled import Entry
    from oneblock.compilers._facts import KernelFacts

KERNELS_SHOWN = 8  # of each program: the rest are short
UNCLAIMED = "(none)"  # the step of operations that no step claims


def times(plots: Plots, entries: Sequence[Entry], methods: Sequence[str]) -> Plot | None:
    """Estimates only, one column a target: never beside a measured time."""
    import altair as alt

    points = [
        _words(entry, method=name, estimate=f"{figures(one.seconds, 1e3)} ms")
        | {"ms": one.seconds * 1e3, "place": f"{methods.index(name):03} {entry.row.labels[:2]}"}
        for entry in entries
        for name, one in entry.estimates.items()
        if one.seconds is not None and 0 < one.seconds < math.inf
    ]
    if not points:
        return None
    x = alt.X("target:N", title=None).axis(labelAngle=0, labelOverlap=False, labelLimit=110)
    y = alt.Y("ms:Q", title="estimated time, ms (log)").scale(type="log", padding=12).axis(format="~g", tickCount=6)
    named = [name for name in map(plain, methods) if any(point["method"] == name for point in points)]
    colour = alt.Color("method:N", sort=named).scale(domain=[plain(name) for name in methods])
    colour = colour.legend(values=named, symbolType="circle")
    shape = alt.Shape("program:N", title="program", sort=None)
    tips = [f"{name}:N" for name in points[0] if name not in ("ms", "place")]
    beside = alt.XOffset("place:N", sort=sorted({str(point["place"]) for point in points}))
    marks = alt.Chart(alt.InlineData(values=points)).mark_point(filled=True, size=80, opacity=0.9)
    chart = marks.encode(x, y, colour, shape, xOffset=beside, tooltip=tips)
    return plots.add(chart.properties(height=320), "Estimated time by target and method; every value is in the table")


def traffic(plots: Plots, entries: Sequence[Entry]) -> Plot | None:
    """HBM bytes of each step, stacked, and the compulsory bytes as a line across the bar."""
    import altair as alt

    steps = [plain(step.step) for step in entries[0].row.record.costs.steps]
    bars = [
        {
            "row": entry.label,
            "step": plain(one.step) or UNCLAIMED,
            "MB": one.hbm_bytes / 1e6,
            "operations": one.operations,
        }
        for entry in entries
        for one in entry.facts.steps
        if 0 < one.hbm_bytes < math.inf
    ]
    if not bars:
        return None
    steps += [*sorted({bar["step"] for bar in bars} - {*steps, UNCLAIMED}), UNCLAIMED]
    bars = [bar | {"place": steps.index(bar["step"])} for bar in bars]
    x = alt.X("MB:Q", title="HBM traffic of one device, MB (million bytes)").axis(tickCount=6)
    y = alt.Y("row:N", title=None, sort=[entry.label for entry in entries])
    present = [step for step in steps if any(bar["step"] == step for bar in bars)]
    colour = alt.Color("step:N", sort=present).scale(domain=steps).legend(values=present)
    tips = ["row:N", "step:N", alt.Tooltip("MB:Q", format=".4~g"), "operations:Q"]
    stacks = alt.Chart(alt.InlineData(values=bars)).mark_bar(height={"band": 0.62})
    layers: list[Any] = [stacks.encode(x, y, colour, order="place:Q", tooltip=tips)]
    least = [{"row": e.label, "compulsory": e.compulsory_bytes / 1e6} for e in entries if e.compulsory_bytes]
    if least:
        line = alt.Chart(alt.InlineData(values=least)).mark_tick(color=INK, thickness=2.5, size=26)
        told = ["row:N", alt.Tooltip("compulsory:Q", title="compulsory MB", format=".4~g")]
        layers.append(line.encode(alt.X("compulsory:Q"), y, tooltip=told))
    chart = alt.layer(*layers).properties(height=32 * len({bar["row"] for bar in bars}) + 8)
    return plots.add(chart, "HBM bytes by step, stacked, with the compulsory bytes as a line; totals are in the table")


def slots(plots: Plots, entry: Entry) -> Plot | None:
    """How full each functional unit's slots are in the longest kernels of one program; None without such kernels."""
    import altair as alt

    longest = sorted((k for k in entry.facts.kernels if k.slots), key=_weight, reverse=True)[:KERNELS_SHOWN]
    if not longest:
        return None
    lines = [_line(kernel) for kernel in longest]
    x = alt.X("unit:N", title=None, sort=list(dict.fromkeys(unit for line in lines for unit in line["unit"])))
    x = x.axis(orient="top", labelAngle=-55, domain=False, ticks=False)
    y = alt.Y("kernel:N", title=None, sort=[line["kernel"] for line in lines])
    filled = alt.Tooltip("filled:Q", title="slots filled", format=".1%")
    rows = alt.Chart(alt.InlineData(values=lines)).transform_flatten(["unit", "filled"])
    squares = rows.transform_calculate(percent="round(100 * datum.filled)")
    base = squares.encode(x, y, tooltip=["kernel:N", "step:N", "unit:N", filled, "bundles:Q", "static cycles:N"])
    # Opacity of one colour: a ramp between colours could not follow the page's variables into the dark.
    shade = alt.Opacity("filled:Q", legend=None).scale(domain=[0, 1], range=[0.04, 0.85])
    boxes = base.mark_rect(fill="var(--c1)", stroke="var(--paper)").encode(shade)
    texts = base.transform_filter("datum.percent >= 1").mark_text(fontSize=11).encode(text="percent:Q")
    chart = alt.layer(boxes, texts).properties(height=20 * len(lines))
    return plots.add(chart, f"Share of each unit's slots filled, %, in the longest kernels of {entry.label}")


def occupancies(plots: Plots, entries: Sequence[Entry]) -> Plot | None:
    """How full each GPU kernel leaves a multiprocessor, one column a program; None where no kernel says so."""
    import altair as alt

    squares = [
        {
            "program": entry.label, "kernel": f"{plain(k.step) or UNCLAIMED}: {plain(k.name)}",
            "share": k.occupancy.share, "blocks": k.occupancy.blocks, "limited by": plain(k.occupancy.limited_by),
            "config": plain(k.config), "registers": k.registers, "place": number,
        }
        for entry in entries
        for number, k in enumerate(entry.facts.gpu_kernels)
        if k.occupancy is not None and math.isfinite(k.occupancy.share)
    ]  # fmt: skip
    if not squares:
        return None
    x = alt.X("program:N", title=None, sort=[entry.label for entry in entries])
    x = x.axis(orient="top", labelAngle=0, domain=False, ticks=False, labelLimit=140)
    y = alt.Y("kernel:N", title=None, sort=alt.EncodingSortField("place", "min"))
    tips = ["program:N", "kernel:N", "config:N", "blocks:Q", "limited by:N", "registers:Q"]
    rows = alt.Chart(alt.InlineData(values=squares)).transform_calculate(percent="round(100 * datum.share)")
    base = rows.encode(x, y, tooltip=tips)
    shade = alt.Opacity("share:Q", legend=None).scale(domain=[0, 1], range=[0.04, 0.85])
    boxes = base.mark_rect(fill="var(--c1)", stroke="var(--paper)").encode(shade)
    texts = base.mark_text(fontSize=11).encode(text="percent:Q")
    chart = alt.layer(boxes, texts).properties(height=20 * len({square["kernel"] for square in squares}))
    return plots.add(chart, "Modelled occupancy of each kernel, % of the warps a multiprocessor has room for")


def _words(entry: Entry, **others: str) -> dict[str, Any]:
    backend, ops_set, target = entry.row.labels
    said = {"target": target, "program": f"{backend} {ops_set}", **others}
    return {name: plain(text) for name, text in said.items()}


def _weight(kernel: KernelFacts) -> tuple[float, int]:
    return kernel.cycles or 0.0, kernel.bundles


def _line(kernel: KernelFacts) -> dict[str, Any]:
    said = {"kernel": plain(kernel.name), "step": plain(kernel.step) or UNCLAIMED, "bundles": kernel.bundles}
    said |= {"static cycles": figures(kernel.cycles)}
    filled = {plain(unit): round(share, 3) for unit, share in kernel.slots.items() if math.isfinite(share)}
    return said | {"unit": list(filled), "filled": list(filled.values())}
