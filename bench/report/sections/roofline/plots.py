"""Rooflines: of measured cells, and of the steps of a block by formula and as each compiler counted them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oneblock import backends
from oneblock.bench.format.text import figures, plain
from oneblock.bench.judge.steps import StepRow, by_step
from oneblock.bench.records.record import Limits
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import INK, Spec, layer, log, mark, name, quantity
from oneblock.bench.report.rows.rows import Row
from oneblock.workloads.ops.definitions import STEPS

FORMULA = "formula"


@dataclass(frozen=True)
class Roofline:
    """The rows of one target and dtype, and their roof: that of the newest row, with what it does not know None."""

    rows: tuple[Row, ...]
    newest: Row
    roofs: int  # how many different ones the rows have
    plot: Plot


@dataclass(frozen=True)
class StepRoofline:
    """The steps of a subject on one target."""

    row: Row  # any: they share subject, target and dtype
    limits: Limits
    ridge: float  # FLOP per byte
    plot: Plot
    undrawn: dict[str, list[str]]  # why steps are not drawn, since both axes are logarithmic: "STEP of BACKEND OPS"


def rooflines(plots: Plots, rows: Sequence[Row]) -> list[Roofline]:
    """One plot for each target and dtype of a machine, of rows that have times."""
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row.record.cell.target, row.record.cell.dtype, row.machine), []).append(row)
    return [_of_one(plots, found[key]) for key in sorted(found)]


def _of_one(plots: Plots, rows: list[Row]) -> Roofline:
    newest = min(rows, key=lambda row: row.number)
    words = f"FLOP per second against FLOP per byte, {len(rows)} cells; every rate is in the tables below"
    plot = plots.add(_roofline(rows, newest.record.limits, plots.backends), words)
    return Roofline(tuple(rows), newest, len({row.record.limits for row in rows}), plot)


def step_rooflines(plots: Plots, group: Sequence[Row]) -> list[StepRoofline]:
    """Of one subject: one a target for which some compiler counted the FLOPs and bytes of steps."""
    made = []
    for target in sorted({row.record.cell.target for row in group if "@" not in row.record.cell.target}):
        rows = [row for row in group if row.record.cell.target == target]
        limits = next((r.record.limits for r in rows if _known(r.record.limits)), None)
        points = [point for row in rows for point in _counted(row)]
        if limits is None or not points:
            continue
        ridge = limits.flops_per_s / limits.read_bytes_per_s  # type: ignore[operator]
        points = [*_formula(rows[0]), *points]
        words = plain(f"Steps of {rows[0].record.cell.subject} on {target}: what the roof allows, by intensity")
        plot = plots.add(_chart(points, limits, ridge), words)
        made.append(StepRoofline(rows[0], limits, ridge, plot, _undrawn(rows)))
    return made


def _known(limits: Limits | None) -> bool:
    return limits is not None and bool(limits.flops_per_s) and bool(limits.read_bytes_per_s)


def _formula(row: Row) -> Iterator[dict[str, Any]]:
    for step in row.record.costs.steps:
        if step.flops > 0 and step.bytes > 0:
            yield {"step": plain(step.step), "by": FORMULA, "flops": step.flops, "bytes": step.bytes}


def _counted(row: Row) -> Iterator[dict[str, Any]]:
    facts, cell = row.record.facts, row.record.cell
    for step in by_step(facts) if facts else ():
        if _positive(step.flops) and _positive(step.hbm_bytes) and step.steps:
            by = plain(f"{cell.backend} {cell.ops}")
            yield {"step": plain(step.name), "by": by, "facets": row.own_facets, **_figures(step)}


def _undrawn(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Steps of which one figure is there and the other is not, so that no intensity can be told."""
    found: dict[str, list[str]] = {}
    for cell, facts in ((row.record.cell, row.record.facts) for row in rows):
        for step in by_step(facts) if facts else ():
            lacking = [
                words
                for words, value in (("no FLOPs", step.flops), ("no HBM bytes", step.hbm_bytes))
                if not _positive(value)
            ]
            if len(lacking) == 1 and step.steps:
                found.setdefault(lacking[0], []).append(plain(f"{step.name} of {cell.backend} {cell.ops}"))
    return found


def _positive(value: float | None) -> bool:
    return value is not None and 0 < value < math.inf


def _figures(step: StepRow) -> dict[str, Any]:
    modelled = "–" if step.seconds is None else f"{figures(step.seconds, 1e6)} µs (modelled)"
    return {"flops": step.flops, "bytes": step.hbm_bytes, "time": modelled}


def _chart(points: Sequence[dict[str, Any]], limits: Limits, ridge: float) -> Spec:
    peak, rate = limits.flops_per_s or 0.0, limits.read_bytes_per_s or 0.0
    data = [_placed(point, peak, rate) for point in points]
    x = quantity("x", title="arithmetic intensity, FLOP per byte (log)", scale=log(nice=False, padding=16))
    axis = {"format": "~s", "tickCount": 5}
    y = quantity("y", title="FLOP/s that the roof allows (log)", scale=log(padding=14), axis=axis)
    steps = [*STEPS, *sorted({point["step"] for point in data} - set(STEPS))]
    present = [step for step in steps if any(point["step"] == step for point in data)]
    colour = name("step", sort=present, scale={"domain": present})
    places = [ridge, *(point["x"] for point in data)]
    left, right = min(places) / 2, max(places) * 2
    corners = [{"x": left, "y": left * rate}, {"x": ridge, "y": peak}, {"x": right, "y": peak}]
    line = layer(corners, mark("line", color="var(--soft)", strokeWidth=1.5, strokeDash=[5, 3]), x=x, y=y)
    at = [{"x": ridge, "y": peak, "words": f"ridge {figures(ridge)}"}]
    cross = layer(at, mark("point", color=INK, shape="cross", size=60), x=x, y=y)
    words = layer(at, mark("text", dy=-11), x=x, y=y, text=name("words"))
    shape, of = name("by", title="counted by", sort=None), mark("point", size=95, strokeWidth=2, opacity=0.9)
    tips = [name(field) for field in ("step", "by", "FLOPs", "bytes", "intensity", "modelled time")]
    return {
        "layer": [line, cross, words, layer(data, of, x=x, y=y, color=colour, shape=shape, tooltip=tips)],
        "height": 300,
    }


def _placed(point: dict[str, Any], peak: float, rate: float) -> dict[str, Any]:
    intensity = point["flops"] / point["bytes"]
    said = {"FLOPs": f"{figures(point['flops'], 1e-6)} M", "bytes": f"{figures(point['bytes'], 1e-6)} MB"}
    said |= {"intensity": f"{figures(intensity)} FLOP per byte", "modelled time": point.get("time", "–")}
    at = {"x": intensity, "y": min(peak, intensity * rate), "step": point["step"], "by": point["by"]}
    return at | said | ({"facets": point["facets"]} if "facets" in point else {})  # the formula is of no backend


def _roofline(rows: Sequence[Row], limits: Limits | None, backends: Sequence[str]) -> Spec:
    points = [_point(row) for row in rows]
    x = quantity("x", title="arithmetic intensity, FLOP per byte (log)", scale=log(nice=False, padding=12))
    y = quantity("y", title="FLOP per second (log)", scale=log(padding=12), axis={"format": "~s", "tickCount": 6})
    colour = name("backend", scale={"domain": list(backends)})
    shape = name("ops set", scale={"domain": _in_order({point["ops set"] for point in points})})
    tips = [name(field) for field in points[0] if field not in ("x", "y", "facets")]
    of = mark("point", filled=True, size=80, opacity=0.9)
    layers = [layer(points, of, x=x, y=y, color=colour, shape=shape, tooltip=tips)]
    if limits is not None and limits.flops_per_s and limits.read_bytes_per_s:
        line, *words = _roof(points, limits.flops_per_s, limits.read_bytes_per_s, {"x": x, "y": y})
        layers = [line, *layers, *words]
    return {"layer": layers, "height": 340}


def _in_order(ops_sets: set[str]) -> list[str]:
    """Ours in the order in which they are compared, each with the same shape on every page; then others' own."""
    ours = backends.ops_sets()
    return [*ours, *sorted(ops_sets - {*ours})]


def _roof(points: Sequence[dict[str, Any]], peak: float, rate: float, at: Spec) -> list[Spec]:
    """The line of the roof, and the words on its two sides."""
    ridge = peak / rate
    places = [ridge, *(point["x"] for point in points)]
    left, right = min(places) / 2, max(places) * 4
    corners = [
        {"x": left, "y": left * rate, "roof": f"{figures(rate, 1e-9)} GB/s"},
        {"x": ridge, "y": peak, "roof": ""},
        {"x": right, "y": peak, "roof": f"{figures(peak, 1e-9)} GFLOP/s"},
    ]
    line = layer(corners, mark("line", color="var(--soft)", strokeWidth=1.5, strokeDash=[5, 3]), **at)
    read = layer(corners[:1], mark("text", align="left", dx=20, dy=12), **at, text=name("roof"))
    compute = layer(corners[2:], mark("text", align="right", dy=-9), **at, text=name("roof"))
    return [line, read, compute]


def _point(row: Row) -> dict[str, Any]:
    record, times = row.record, row.times
    assert times is not None  # only rows that have times are plotted
    low, high = (figures(end, 1e3) for end in times.interval_s)
    flops, read = record.costs.flops, max(1, record.costs.compulsory_bytes)
    words = {
        "cell": record.cell.subject,
        "backend": record.cell.backend,
        "ops set": record.cell.ops,
        "tier": record.tier,
        "rate": f"{figures(flops / times.cold_s, 1e-9)} GFLOP/s",
        "intensity": f"{figures(flops / read)} FLOP per byte",
        "cold": f"{figures(times.cold_s, 1e3)} ms (99 %: {low} to {high})",
        "warm": f"{figures(times.warm_s, 1e3)} ms",
        "% of roofline": f"{times.limit.seconds / times.cold_s:.0%} {times.limit.by}" if times.limit else "not known",
        "measured": f"{times.samples} samples",
        "doubts": "; ".join(map(str, record.doubts)) or "none",
    }
    at = {"x": flops / read, "y": flops / times.cold_s, "facets": row.facets}
    return at | {name: plain(text) for name, text in words.items()}
