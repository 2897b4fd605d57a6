"""The report's plots of compiled cells: estimates by method, HBM traffic by step, full slots and multiprocessors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from oneblock.bench.format.text import figures, plain
from oneblock.bench.judge.estimates import Method
from oneblock.bench.judge.steps import by_step
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import (
    EACH_WORD,
    FIRST_PART,
    FIRST_WORD,
    INK,
    digits,
    heat,
    layer,
    log,
    mark,
    name,
    quantity,
)
from oneblock.bench.report.rows.programs import Entry
from oneblock.compilers.api.call import Call
from oneblock.compilers.api.calls import TpuKernel
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel

KERNELS_SHOWN = 8  # of each program: the rest are short
UNCLAIMED = "(none)"  # the step of operations that no step claims


def times(plots: Plots, entries: Sequence[Entry], methods: Sequence[Method]) -> Plot | None:
    """Estimates only, one column a target: never beside a measured time."""
    points = [
        _words(entry, method=method.label, kind=method.kind.value, estimate=f"{figures(one.seconds, 1e3)} ms")
        | {"ms": one.seconds * 1e3, "place": f"{methods.index(method):03} {entry.row.labels[:2]}"}
        | {"facets": entry.row.own_facets}
        for entry in entries
        for method, one in entry.estimates.items()
        if one.seconds is not None and 0 < one.seconds < math.inf
    ]
    if not points:
        return None
    labels = [plain(method.label) for method in methods]
    named = [label for label in labels if any(point["method"] == label for point in points)]
    chart = layer(
        points,
        mark("point", filled=True, size=80, opacity=0.9),
        x=name(
            "target",
            title=None,
            axis={"labelAngle": 0, "labelOverlap": False, "labelLimit": 110, "labelExpr": FIRST_PART},
        ),
        y=quantity(
            "ms",
            title="estimated time, ms (log)",
            scale=log(padding=12),
            axis={"format": "~g", "tickCount": 6},
        ),
        color=name(
            "method",
            sort=named,
            scale={"domain": labels},
            legend={"values": named, "symbolType": "circle"},
        ),
        shape=name("program", title="program", sort=None),
        xOffset=name("place", sort=sorted({str(point["place"]) for point in points})),
        tooltip=[name(field) for field in points[0] if field not in ("ms", "place", "facets")],
    )
    return plots.add({**chart, "height": 320}, "Estimated time by target and method; every value is in the table")


def traffic(plots: Plots, entries: Sequence[Entry]) -> Plot | None:
    """HBM bytes of each step, stacked, and the compulsory bytes as a line across the bar."""
    steps = [plain(step.step) for step in entries[0].row.record.costs.steps]
    bars: list[dict[str, Any]] = [
        {
            "row": entry.label,
            "step": plain(one.name) if one.steps else UNCLAIMED,
            "MB": one.hbm_bytes / 1e6,
            "operations": "–" if one.operations is None else str(one.operations),
            "facets": entry.row.own_facets,
        }
        for entry in entries
        for one in by_step(entry.facts)
        if one.hbm_bytes is not None and 0 < one.hbm_bytes < math.inf
    ]
    if not bars:
        return None
    steps += [*sorted({bar["step"] for bar in bars} - {*steps, UNCLAIMED}), UNCLAIMED]
    bars = [bar | {"place": steps.index(bar["step"])} for bar in bars]
    y = name("row", title=None, sort=[entry.label for entry in entries], axis={"labelExpr": FIRST_WORD})
    present = [step for step in steps if any(bar["step"] == step for bar in bars)]
    stacks = layer(
        bars,
        mark("bar", height={"band": 0.62}),
        x=quantity("MB", title="HBM traffic of one device, MB", axis={"tickCount": 6}),
        y=y,
        color=name("step", sort=present, scale={"domain": steps}, legend={"values": present}),
        order=quantity("place"),
        tooltip=[name("row"), name("step"), digits("MB"), name("operations")],
    )
    layers = [stacks]
    least = [
        {"row": e.label, "compulsory": e.compulsory_bytes / 1e6, "facets": e.row.own_facets}
        for e in entries
        if e.compulsory_bytes
    ]
    if least:
        told = [name("row"), digits("compulsory", title="compulsory MB")]
        line = mark("tick", color=INK, thickness=2.5, size=26)
        layers.append(layer(least, line, x=quantity("compulsory"), y=y, tooltip=told))
    if uncounted := _without_bars(entries, {bar["row"] for bar in bars}):
        words = mark("text", align="left", dx=6, fontStyle="italic", color="var(--soft)")
        layers.append(layer(uncounted, words, x={"datum": 0}, y=y, text=name("words")))
    chart = {"layer": layers, "height": 32 * len(entries) + 8}
    return plots.add(chart, "HBM bytes by step, stacked, with the compulsory bytes as a line; totals are in the table")


def _without_bars(entries: Sequence[Entry], having: set[str]) -> list[dict[str, Any]]:
    """Words in the place of bars that are not there: beside others, a row without one would read as zero."""

    def words(hbm_bytes: float | None) -> str:
        return "not counted" if hbm_bytes is None else "none" if hbm_bytes == 0 else "not counted by step"

    return [
        {"row": entry.label, "words": words(entry.facts.hbm_bytes), "facets": entry.row.own_facets}
        for entry in entries
        if entry.label not in having
    ]


def slots(plots: Plots, entry: Entry) -> Plot | None:
    """How full each functional unit's slots are in the longest kernels of one program; None without such kernels."""
    longest = sorted((k for k in entry.facts.of(TpuKernel) if k.slots), key=_weight, reverse=True)[:KERNELS_SHOWN]
    if not longest:
        return None
    lines = [_line(kernel) for kernel in longest]
    units = list(dict.fromkeys(unit for line in lines for unit in line["unit"]))
    axis = {"orient": "top", "labelAngle": -90, "domain": False, "ticks": False}
    filled = quantity("filled", title="slots filled", format=".1%")
    at = {
        "x": name("unit", title=None, sort=units, axis=axis),
        "y": name("kernel", title=None, sort=[line["kernel"] for line in lines]),
        "tooltip": [*map(name, ("kernel", "step", "unit")), filled, quantity("bundles"), name("static cycles")],
    }
    enough = {"filter": "datum.percent >= 1"}
    chart = heat(lines, [{"flatten": ["unit", "filled"]}], "filled", quantity("filled"), enough, at)
    words = f"Share of each unit's slots filled, %, in the longest kernels of {entry.label}"
    return plots.add({**chart, "height": 20 * len(lines)}, words)


def occupancies(plots: Plots, entries: Sequence[Entry]) -> Plot | None:
    """How full each GPU kernel leaves a multiprocessor, one column a program; None where no kernel says so."""
    squares = [
        {
            "program": entry.label, "kernel": kernel,
            "share": k.occupancy.share, "blocks": k.occupancy.blocks, "limited by": plain(k.occupancy.limited_by),
            "facets": entry.row.own_facets, "config": plain(k.config), "registers": k.registers, "place": number,
        }
        for entry in entries
        for number, (kernel, k) in enumerate(_launches(entry.facts))
        if k.occupancy is not None and math.isfinite(k.occupancy.share)
    ]  # fmt: skip
    if not squares:
        return None
    lines = max(len(square["program"].split()) for square in squares)
    axis = {"orient": "top", "labelAngle": 0, "domain": False, "ticks": False, "labelLimit": 140}
    axis |= {"labelExpr": EACH_WORD, "labelPadding": 4 + 13 * (lines - 1)}  # they grow downwards
    tips = [*map(name, ("program", "kernel", "config")), quantity("blocks"), name("limited by"), quantity("registers")]
    at = {
        "x": name("program", title=None, sort=[entry.label for entry in entries], axis=axis),
        "y": name("kernel", title=None, sort={"field": "place", "op": "min"}),
        "tooltip": tips,
    }
    chart = heat(squares, [], "share", quantity("share"), {}, at)
    height = 20 * len({square["kernel"] for square in squares})
    return plots.add({**chart, "height": height}, "Modelled occupancy of each kernel, % of the warps it has room for")


def _words(entry: Entry, **others: str) -> dict[str, Any]:
    backend, ops_set, target = entry.row.labels
    said = {"target": target, "program": f"{backend} {ops_set}", **others}
    return {name: plain(text) for name, text in said.items()}


def _launches(facts: Facts) -> Iterator[tuple[str, GpuKernel]]:
    """Each launch with a name of its own: a second of one kernel in a step is numbered."""
    seen = Counter[str]()
    for one in facts.of(GpuKernel):
        name = f"{_steps(one)}: {plain(one.name)}"
        seen[name] += 1
        yield f"{name} ({seen[name]})" if seen[name] > 1 else name, one


def _steps(call: Call) -> str:
    return plain("+".join(call.steps)) or UNCLAIMED


def _weight(kernel: TpuKernel) -> tuple[float, int]:
    return kernel.cycles or 0.0, kernel.bundles


def _line(kernel: TpuKernel) -> dict[str, Any]:
    said = {"kernel": plain(kernel.name), "step": _steps(kernel), "bundles": kernel.bundles}
    said |= {"static cycles": figures(kernel.cycles)}
    filled = {plain(unit): round(share, 3) for unit, share in kernel.slots.items() if math.isfinite(share)}
    return said | {"unit": list(filled), "filled": list(filled.values())}
