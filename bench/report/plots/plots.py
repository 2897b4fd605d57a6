"""The report's plots: specifications drawn by Vega in the page, whose JavaScript travels in it once."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from oneblock import backends
from oneblock.bench.format.text import figures, plain
from oneblock.bench.records.record import Launch, Limits
from oneblock.bench.report.plots.vega import INK, Spec, digits, layer, log, mark, name, quantity, rank
from oneblock.bench.report.rows.rows import Row

SAMPLES_SHOWN = 20_000  # of the whole page: each is some 8 bytes of it and one mark to draw
_DIGITS = 64  # of the SHA-256 that stands before a kept script
LOG_BEYOND = 5.0  # an axis is logarithmic where its largest value is more times its smallest


@cache
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one text, so that a page needs no network.

    To join them takes seconds, so the text is kept in the user's cache folder, under the version that made it.
    """
    kept = user_cache_path("oneblock") / f"vega-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError, UnicodeDecodeError):  # absent or damaged: made again
        text = kept.read_text(encoding="utf-8")
        if text.startswith(digest := hashlib.sha256(text[_DIGITS:].encode()).hexdigest()) and digest:
            return text[_DIGITS:]
    return _joined(kept)


def _joined(kept: Path) -> str:
    import vl_convert  # a library of 60 MB: only where the text is not kept yet

    text = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    temporary = kept.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):  # a cache that cannot be kept is made again
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(hashlib.sha256(text.encode()).hexdigest() + text, encoding="utf-8")
        temporary.replace(kept)
    return text


def policy_hash(text: str) -> str:
    """The name by which a page's policy lets one script run: any other, however it came there, is refused."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@dataclass(frozen=True)
class Plot:
    """One plot: its number on the page, and what it shows, in words."""

    number: int
    words: str


@dataclass(frozen=True)
class Roofline:
    """The rows of one target and dtype, and their roof: that of the newest row, with what it does not know None."""

    rows: tuple[Row, ...]
    newest: Row
    roofs: int  # how many different ones the rows have
    plot: Plot


class Plots:
    """The plots of one page; a backend has the same colour in all of them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.backends = sorted({plain(row.record.cell.backend) for row in rows})
        launches = sum(len(row.record.launches) for row in rows)
        self.most_samples = max(10, min(100, SAMPLES_SHOWN // max(1, launches)))
        self.specs: list[dict[str, Any]] = []

    @property
    def json(self) -> str:
        """The specifications as JSON, with no character that means something to HTML."""
        text = json.dumps(self.specs, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def rooflines(self, rows: Sequence[Row]) -> list[Roofline]:
        """One plot for each target and dtype of a machine, of rows that have times."""
        found: dict[tuple[str, str, int], list[Row]] = {}
        for row in rows:
            found.setdefault((row.record.cell.target, row.record.cell.dtype, row.machine), []).append(row)
        return [self._roofline(found[key]) for key in sorted(found)]

    def strips(self, rows: Sequence[Row]) -> Plot | None:
        """The raw cold samples of rows of one subject; None where no row has times."""
        having = [row for row in rows if row.times is not None]
        if not having:
            return None
        targets = {row.record.cell.target for row in having}
        timed = {plain(" ".join(row.labels if len(targets) > 1 else row.labels[:2])): row for row in having}
        medians = [f"{label} {figures(row.times.cold_s, 1e3)} ms" for label, row in timed.items() if row.times]
        words = f"Cold samples of each process; medians: {', '.join(medians)}"
        return self.add(_strips(timed, self.most_samples), words)

    def _roofline(self, rows: list[Row]) -> Roofline:
        newest = max(rows, key=lambda row: row.record.created)
        words = f"FLOP per second against FLOP per byte, {len(rows)} cells; every rate is in the tables below"
        plot = self.add(_roofline(rows, newest.record.limits, self.backends), words)
        return Roofline(tuple(rows), newest, len({row.record.limits for row in rows}), plot)

    def add(self, chart: Spec, words: str) -> Plot:
        """Put a chart on the page, as wide as its place."""
        self.specs.append({**chart, "width": "container", "description": words})
        return Plot(len(self.specs) - 1, words)


def _roofline(rows: Sequence[Row], limits: Limits | None, backends: Sequence[str]) -> Spec:
    points = [_point(row) for row in rows]
    x = quantity("x", title="arithmetic intensity, FLOP per byte (log)", scale=log(nice=False, padding=12))
    y = quantity("y", title="FLOP per second (log)", scale=log(padding=12), axis={"format": "~s", "tickCount": 6})
    colour = name("backend", scale={"domain": list(backends)})
    shape = name("ops set", scale={"domain": _in_order({point["ops set"] for point in points})})
    tips = [name(field) for field in points[0] if field not in ("x", "y")]
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
        "ops set": record.cell.ops_set,
        "tier": record.tier,
        "rate": f"{figures(flops / times.cold_s, 1e-9)} GFLOP/s",
        "intensity": f"{figures(flops / read)} FLOP per byte",
        "cold": f"{figures(times.cold_s, 1e3)} ms (99 %: {low} to {high})",
        "warm": f"{figures(times.warm_s, 1e3)} ms",
        "of limit": f"{times.limit.seconds / times.cold_s:.0%} {times.limit.by}" if times.limit else "not known",
        "measured": f"{times.samples} samples",
        "doubts": "; ".join(record.doubts) or "none",
    }
    return {"x": flops / read, "y": flops / times.cold_s} | {name: plain(text) for name, text in words.items()}


def _strips(rows: dict[str, Row], most: int) -> Spec:
    samples = [_samples(label, launch, most) for label, row in rows.items() for launch in row.record.launches]
    ends = [end for one in samples for end in (min(one["ms"]), max(one["ms"]))]
    is_log = max(ends) > LOG_BEYOND * min(ends)
    processes = max(len(row.record.launches) for row in rows.values())
    scale = log(nice=False, padding=10) if is_log else {"zero": False, "nice": False, "padding": 10}
    x = quantity("ms", title="cold samples, ms" + (" (log)" if is_log else ""), scale=scale)
    y = name("row", title=None, sort=list(rows), scale={"paddingInner": 0.3})
    raw = layer(
        samples,
        mark("tick", thickness=1.2, size=12 if processes == 1 else 7),
        [{"flatten": ["ms"]}],
        x=x,
        y=y,
        yOffset=rank("process"),
        color=rank("process", legend=None if processes == 1 else {"columns": 8}),
        tooltip=[name("row"), rank("process"), quantity("ms")],
    )
    fields = ("median", "low", "high")
    medians = [
        {"row": label} | dict(zip(fields, (1e3 * at for at in (times.cold_s, *times.interval_s)), strict=True))
        for label, times in ((label, row.times) for label, row in rows.items())
        if times is not None
    ]
    of = mark("tick", color=INK, thickness=2.5, size=16 + 6 * processes)
    tips = [name("row"), *(digits(field) for field in fields)]
    middle = layer(medians, of, x=quantity("median", scale=scale), y=y, tooltip=tips)
    return {"layer": [raw, middle], "height": len(rows) * (24 + 7 * processes)}


def _samples(label: str, launch: Launch, most: int) -> dict[str, Any]:
    """One process's samples in ms; where there are too many, evenly chosen by rank, the least and the largest kept."""
    ordered = sorted(launch.cold_s)
    if len(ordered) > most:
        ordered = [ordered[round(rank * (len(ordered) - 1) / (most - 1))] for rank in range(most)]
    return {"row": label, "process": launch.index + 1, "ms": [float(f"{sample * 1e3:.4g}") for sample in ordered]}
