"""What a report shows as files for other programs: JSON, CSV, traces for Perfetto, StableHLO for Model Explorer.

FOLDER/report.json   {"format": "oneblock-report", "version": 1, "title": str,
                      "cells": [{"row": {a column of cells.csv: value or null}, "file": str, "record": {...}}],
                      "moved": [{"name", "series", "before", "after", "verdict", "why": str}],
                      "against": null, or {"pairs", "moved", "refused": int, "only_before", "only_after": [a cell]},
                      "left_out": [{"path": str, "why": str}]}
                     A record is as `oneblock schema` states it. Without --against "moved" is empty and "against" null.
FOLDER/cells.csv     one row a cell, the newest of each; the columns are `COLUMNS`, empty where there is no value.
                     Times are in seconds, medians with their 99 % interval, and there only where they were measured.
FOLDER/traces/       NAME.json: a record's modelled timelines, its calls one after another
FOLDER/stablehlo/    NAME.mlir: a program before XLA, and README.md, which says what opens it
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.costs import bound
from oneblock.bench.judge.figures import whole
from oneblock.bench.judge.moved import Against
from oneblock.bench.judge.stats import centre, interval
from oneblock.bench.records.record import WRONG, Record, Status
from oneblock.bench.records.store import Problem, Store, to_json
from oneblock.bench.report.exports.stages import programs, traces
from oneblock.compilers.api.kind import Kind

Value = str | float | int | None
FORMAT, VERSION = "oneblock-report", 1
_COUNTS = {  # column: name of the figure, whose kind is in counts_kind
    "operations": "operations", "fusions": "fusions", "custom_calls": "custom calls", "kernels": "kernels",
    "flops_counted": "FLOPs", "hbm_bytes": "HBM traffic", "scratch_bytes": "scratch", "registers": "registers",
}  # fmt: skip
COLUMNS = (
    "name", "workload", "config", "phase", "B", "T", "S", "dtype", "backend", "ops_set", "target", "tier", "device",
    "machine", "created", "identity", "status", "kind", "reason", "hint", "doubts",
    "cold_s", "cold_low_s", "cold_high_s", "warm_s", "warm_low_s", "warm_high_s", "processes", "samples",
    "of_limit", "limit_by", "limit_kind", "compile_cold_s", "compile_warm_s", "peak_rss_bytes",
    "relative_l2", "error_budget_used", "flops_modelled", "compulsory_bytes_modelled", "counts_kind", *_COUNTS,
)  # fmt: skip
_HELD = ("pairs", "moved", "refused", "only_before", "only_after")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet computes a text that begins so


@dataclass(frozen=True)
class Exported:
    """How much was written, and where."""

    folder: Path
    cells: int
    traces: int
    programs: int
    left_out: tuple[str, ...] = ()  # traces that cannot be read, each with why

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.folder}: report.json and cells.csv of {self.cells} cells, {self.traces} traces for "
            f"ui.perfetto.dev, {self.programs} StableHLO programs for Model Explorer"
        )


def export(
    records: Sequence[tuple[Path, Record]],
    problems: Sequence[Problem],
    against: Against | None,
    title: str,
    folder: Path,
) -> Exported:
    """Write the files; Refused if the folder cannot be written."""
    rows = [row(record) for _, record in records]
    cells = [
        {"row": one, "file": path.name, "record": record} for one, (path, record) in zip(rows, records, strict=True)
    ]
    stores = [(path.stem, record, Store(path.parent)) for path, record in records]
    traced, unread = traces(stores)
    left_out = [{"path": str(problem.path), "why": problem.why} for problem in (*problems, *unread)]
    held = None if against is None else {name: getattr(against, name) for name in _HELD}
    whole_of_it = {"format": FORMAT, "version": VERSION, "title": title, "cells": cells, "left_out": left_out}
    whole_of_it |= {"moved": list(against.rows) if against else [], "against": held}
    files = {folder / "report.json": to_json(whole_of_it), folder / "cells.csv": table(rows).encode()}
    made = {folder / "traces" / name: text for name, text in traced.items()}
    lowered = {folder / name: text for name, text in programs(stores).items()}
    for path, raw in (*files.items(), *made.items(), *lowered.items()):
        _write(path, raw)
    count = sum(path.name != "README.md" for path in lowered)
    return Exported(folder, len(rows), len(made), count, tuple(problem.why for problem in unread))


def _write(path: Path, raw: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}; give another folder with --export") from error


def table(rows: Iterable[dict[str, Value]]) -> str:
    """Rows as CSV (RFC 4180), texts such that no spreadsheet takes them for a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for one in rows:
        writer.writerow(
            {name: f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for name, v in one.items()}
        )
    return out.getvalue()


def row(record: Record) -> dict[str, Value]:
    """One cell's columns; None where there is no value."""
    cell, case = record.cell, record.cell.case
    found: dict[str, Value] = dict.fromkeys(COLUMNS)
    found |= {
        "name": cell.name, "workload": case.workload, "config": case.config.name, "phase": case.phase.value,
        "B": case.B, "T": case.T, "S": case.S, "dtype": cell.dtype, "backend": cell.backend, "ops_set": cell.ops_set,
        "target": cell.target, "tier": record.tier, "device": record.device, "created": record.created,
        "machine": str(record.environment.machine.get("cpu") or ""), "identity": record.identity(),
        "status": record.status.value, "kind": record.kind.value if record.kind else None, "reason": record.reason,
        "hint": record.hint, "doubts": "; ".join(record.doubts) or None, "flops_modelled": record.costs.flops,
        "compulsory_bytes_modelled": record.costs.compulsory_bytes,
    }  # fmt: skip
    if record.check is not None and record.status not in WRONG:
        errors = [output.relative_l2 for output in record.check.outputs if output.relative_l2 is not None]
        found |= {"relative_l2": max(errors, default=None), "error_budget_used": record.check.budget_used}
    return found | _times(record) | _counts(record)


def _times(record: Record) -> dict[str, Value]:
    """The measured times of a record that passed; of a cell that was only compiled, how long that took."""
    cold, warm = ([one for one in record.samples(series) if one] for series in ("cold", "warm"))
    if record.status is not Status.PASSED or record.kind is not Kind.MEASURED or not cold:
        return {"compile_cold_s": record.compile_s}
    least = bound(record.costs, record.limits)
    found: dict[str, Value] = {"processes": len(cold), "samples": sum(map(len, cold))}
    for name, series in (("cold", cold), ("warm", warm)):
        if series:
            low, high = interval(series)
            found |= {f"{name}_s": centre(series), f"{name}_low_s": low, f"{name}_high_s": high}
    if least is not None and record.limits is not None:
        share = least.seconds / centre(cold)
        found |= {"of_limit": share, "limit_by": least.by, "limit_kind": record.limits.kind.value}
    for name, was in (("compile_cold_s", True), ("compile_warm_s", False)):
        took = [launch.compile_s for launch in record.launches if launch.cold_compile is was]
        found[name] = median(took) if took else None
    return found | {"peak_rss_bytes": max(launch.peak_rss_bytes for launch in record.launches)}


def _counts(record: Record) -> dict[str, Value]:
    figures = whole(record)
    found: dict[str, Value] = {column: figures[name].value for column, name in _COUNTS.items() if name in figures}
    return found | ({"counts_kind": record.facts.kind} if record.facts else {})
