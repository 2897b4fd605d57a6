"""The report's rooflines by step: each step of the block by formula, and as each compiler counted it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oneblock.bench.format.text import figures, plain
from oneblock.bench.judge.limits import stated_limits
from oneblock.bench.judge.steps import StepRow, by_step
from oneblock.bench.records.record import Limits
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import INK, Spec, layer, log, mark, name, quantity
from oneblock.bench.report.rows.rows import Row
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.ops.definitions import STEPS

FORMULA = "formula"


@dataclass(frozen=True)
class StepRoofline:
    """The steps of a subject on one target."""

    row: Row  # any: they share subject, target and dtype
    limits: Limits
    ridge: float  # FLOP per byte
    plot: Plot
    undrawn: dict[str, list[str]]  # why steps are not drawn, since both axes are logarithmic: "STEP of BACKEND OPS"


@dataclass(frozen=True)
class Ceiling:
    """What one target reaches in one dtype: as measured, and as its maker states it; None where that is not known."""

    target: str
    dtype: str
    measured: Limits | None
    when: str  # the date of the record that holds what was measured
    stated: Limits | None


def step_rooflines(plots: Plots, groups: Sequence[Sequence[Row]]) -> list[StepRoofline]:
    """One a subject and target of which some compiler counted the FLOPs and bytes of steps."""
    made = []
    for group in groups:
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


def ceilings(rows: Sequence[Row]) -> list[Ceiling]:
    """Of each target and dtype of the page, the newest measured limits beside the maker's."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda one: one.record.created):
        if row.record.limits is not None:
            found.setdefault((row.record.cell.target, row.record.cell.dtype), []).append(row)
    made = []
    for (target, dtype), having in sorted(found.items()):
        measured = [row for row in having if row.record.limits and row.record.limits.kind is Kind.MEASURED]
        newest = measured[-1].record if measured else None
        stated = _stated(having[-1])
        limits, when = (newest.limits, newest.created[:10]) if newest else (None, "")
        made.append(Ceiling(target, dtype, limits, when, stated))
    return made


def _stated(row: Row) -> Limits | None:
    try:
        return stated_limits(row.record.cell)
    except (LookupError, ValueError):  # a target that this version does not know
        limits = row.record.limits
        return limits if limits is not None and limits.kind is not Kind.MEASURED else None


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
            yield {"step": plain(step.name), "by": plain(f"{cell.backend} {cell.ops_set}"), **_figures(step)}


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
                found.setdefault(lacking[0], []).append(plain(f"{step.name} of {cell.backend} {cell.ops_set}"))
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
    colour = name("step", sort=present, scale={"domain": steps}, legend={"values": present})
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
    return {"x": intensity, "y": min(peak, intensity * rate), "step": point["step"], "by": point["by"], **said}
