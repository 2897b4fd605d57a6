"""What a report shows as files for other programs: JSON, CSV, traces for Perfetto, StableHLO for Model Explorer.

FOLDER/report.json   {"format": "oneblock-report", "version": 1, "title": str,
                      "cells": [{"row": {a column of cells.csv: value or null}, "file": str, "record": {...}}],
                      "moved": [{"name", "series", "before", "after", "verdict", "why": str}],
                      NAME: [{a column of NAME.csv: value or null}],  # of each other table of a section
                      "against": null, or {"pairs", "moved", "refused": int, "only_before", "only_after": [a cell]},
                      "left_out": [{"path": str, "why": str}]}
                     A record is as `oneblock schema` states it. Without --against "moved" is empty and "against" null.
FOLDER/cells.csv     one row a cell, the newest of each; the columns are those of rows/cells.py, empty where there is no
                     value. Times are in seconds, medians with their 99 % interval, and only where they were measured.
FOLDER/NAME.csv      each other table that a section of the page declares: the numbers that moved (moved), what did not
                     fit (memory), what targets reach (ceilings), the step attribution of stages (attribution), where
                     backends write other tokens (divergences)
FOLDER/traces/       NAME.json: a record's modelled timelines, its calls one after another
FOLDER/DIALECT/      of each dialect that other programs open, such as stablehlo/: NAME.mlir, a record's program, and
                     README.md, which says what opens it
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from oneblock.bench.records.files import write_asked
from oneblock.bench.records.store import Problem, Store, to_json
from oneblock.bench.report import sections
from oneblock.bench.report.exports.stages import programs, traces
from oneblock.bench.report.rows.cells import Value, cell_row
from oneblock.bench.report.section import Table
from oneblock.bench.report.study import Study

FORMAT, VERSION = "oneblock-report", 1
_HELD = ("pairs", "moved", "refused", "only_before", "only_after")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet computes a text that begins so


@dataclass(frozen=True)
class ExportSummary:
    """How much was written, and where."""

    folder: Path
    cells: int
    traces: int
    programs: int
    left_out: tuple[str, ...] = ()  # sections and traces that cannot be read, each with why

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.folder}: report.json and cells.csv of {self.cells} cells, {self.traces} traces for "
            f"ui.perfetto.dev, {self.programs} programs by dialect (stablehlo/ is for Model Explorer)"
        )


def export(study: Study, folder: Path) -> ExportSummary:
    """Write the files; Refused if the folder cannot be written."""
    tables, texts, refused = _tables(study)
    cells = [{"row": cell_row(record), "file": path.name, "record": record} for path, record in study.records]
    stores = [(path.stem, record, Store(path.parent)) for path, record in study.records]
    traced, unread = traces(stores)
    lowered, lost = programs(stores)
    unread += lost
    left_out = [{"path": str(one.path), "why": one.why} for one in (*study.problems, *refused, *unread)]
    held = None if study.against is None else {name: getattr(study.against, name) for name in _HELD}
    whole = {"format": FORMAT, "version": VERSION, "title": study.title, **tables}
    whole |= {"cells": cells, "against": held, "left_out": left_out}
    files = {"report.json": to_json(whole), **{f"{name}.csv": text.encode() for name, text in texts.items()}}
    for name, raw in (*files.items(), *lowered.items()):
        write_asked(folder / name, raw, "--export")
    for name, raw in traced.items():
        write_asked(folder / "traces" / name, raw, "--export")
    count = sum(not name.endswith("/README.md") for name in lowered)
    return ExportSummary(folder, len(cells), len(traced), count, tuple(one.why for one in (*refused, *unread)))


def _tables(study: Study) -> tuple[dict[str, list[Mapping[str, Value]]], dict[str, str], list[Problem]]:
    """The rows of each section's table by its name, the same as CSV, and the sections that could not make theirs."""
    found, refused = sections.load_all()
    rows: dict[str, list[Mapping[str, Value]]] = {}
    texts: dict[str, str] = {}
    for name, section in found.items():
        if section.table is None:
            continue
        try:
            made = list(section.table.rows(study))
            texts[section.table.name] = as_csv(section.table, made)
            rows[section.table.name] = made
        except Exception as error:  # noqa: BLE001  one section must not take the others' tables with it: it is named
            refused.append(sections.refusal(name, error))
    return rows, texts, refused


def as_csv(table: Table, rows: Iterable[Mapping[str, Value]]) -> str:
    """Rows as CSV (RFC 4180), texts such that no spreadsheet takes them for a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, table.columns)
    writer.writeheader()
    for one in rows:
        writer.writerow(
            {name: f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for name, v in one.items()}
        )
    return out.getvalue()
