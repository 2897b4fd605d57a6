"""The raw samples of a subject's cells as strips, a line for each process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oneblock.bench.format.text import figures, plain
from oneblock.bench.records.record import Launch
from oneblock.bench.report.plots.plots import Plot, Plots
from oneblock.bench.report.plots.vega import INK, Spec, digits, layer, log, mark, name, quantity, rank
from oneblock.bench.report.rows.rows import Row

LOG_BEYOND = 5.0  # an axis is logarithmic where its largest value is more times its smallest


def strips(plots: Plots, rows: Sequence[Row]) -> Plot | None:
    """The raw cold samples of rows of one subject; None where no row has times."""
    having = [row for row in rows if row.times is not None]
    if not having:
        return None
    targets = {row.record.cell.target for row in having}
    timed = {plain(" ".join(row.labels if len(targets) > 1 else row.labels[:2])): row for row in having}
    medians = [f"{label} {figures(row.times.cold_s, 1e3)} ms" for label, row in timed.items() if row.times]
    words = f"Cold samples of each process; medians: {', '.join(medians)}"
    return plots.add(_strips(timed, plots.most_samples), words)


def _strips(rows: dict[str, Row], most: int) -> Spec:
    samples = [
        _samples(label, launch, most) | {"facets": row.own_facets}
        for label, row in rows.items()
        for launch in row.record.launches
    ]
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
        {"row": label, "facets": row.own_facets}
        | dict(zip(fields, (1e3 * at for at in (times.cold_s, *times.interval_s)), strict=True))
        for label, row in rows.items()
        if (times := row.times) is not None
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
