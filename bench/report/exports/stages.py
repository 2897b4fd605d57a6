"""Stages that other programs open: timelines as one trace a record, StableHLO as .mlir files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from oneblock.bench.records.record import Record
from oneblock.bench.records.stages import text_of
from oneblock.bench.records.store import Problem, Store

Sources = Iterable[tuple[str, Record, Store]]  # (the name of the record's file, the record, where its texts are)

# Model Explorer takes a file by its ending, parses MLIR's text with the dialects stablehlo, chlo, func and sdy, and
# groups operations by the scopes in their locations: so the text as XLA was given it is all that it needs.
README = """# StableHLO programs

Each file is what a compiler was given for one cell, as MLIR's text. Model Explorer opens them as they are:

    pip install "ai-edge-model-explorer>=0.1.34"    # Linux and macOS
    model-explorer NAME.mlir

Operations are grouped by the scopes in their locations: `jit(block)/attention` is the step "attention". The texts are
for reading; StableHLO promises compatibility of its bytecode, not of its text.
"""


def traces(sources: Sources) -> tuple[dict[str, bytes], list[Problem]]:
    """For each record with timelines one trace (Chrome's format, which Perfetto reads), by the name of its file.

    A timeline that is no such trace is left out of it, and named.
    """
    found, problems = {}, []
    for name, record, store in sources:
        refs = [ref for ref in record.artifacts if ref.dialect.startswith("perfetto:")]
        parts = []
        for ref in sorted(refs, key=lambda ref: _in_order(ref.dialect)):
            path = store.artifact_path(ref.sha256)
            if not path.exists():
                continue
            try:
                parts.append(_timeline(text_of(ref, store)))
            except ValueError as error:
                problems.append(Problem(path, f"{path}: {ref.dialect} of {record.cell.name} is no trace: {error}"))
        if parts:
            found[f"{safe(name)}.json"] = json.dumps(joined(parts)).encode()
    return found, problems


def _in_order(dialect: str) -> tuple[float, str]:
    """By the number of the call in "perfetto:07-linear": as text, call 100 would stand before call 11."""
    number = re.match(r"perfetto:(\d+)", dialect)
    return (int(number[1]) if number else math.inf), dialect


def _timeline(text: str) -> dict[str, Any]:
    """A trace's JSON; ValueError says what it lacks."""
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("traceEvents"), list):
        raise ValueError("it has no list of events")
    try:
        joined([found])
    except (AttributeError, TypeError) as error:
        raise ValueError("its events are not what a trace has") from error
    return found


def joined(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Traces of calls that run one after another as one trace, each call a process of its own name."""
    events: list[dict[str, Any]] = []
    other: dict[str, Any] = {}
    start = 0.0
    for number, part in enumerate(parts, 1):
        own = part["traceEvents"]
        for event in own:
            later = {"ts": event["ts"] + start} if "ts" in event else {}
            events.append(event | {"pid": number} | later)
        ends = [event["ts"] + max(event.get("dur", 0.0), event.get("args", {}).get("result_us", 0.0) - event["ts"])
                for event in own if "ts" in event]  # fmt: skip
        start += max(ends, default=0.0)
        other |= part.get("otherData", {})
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": other}


def programs(sources: Sources) -> dict[str, bytes]:
    """Each record's StableHLO by the name of its file, and a README that says what opens it."""
    found = {}
    for name, record, store in sources:
        for ref in record.artifacts:
            if ref.dialect == "stablehlo" and store.artifact_path(ref.sha256).exists():
                found[f"{safe(name)}.mlir"] = text_of(ref, store).encode()
    return found | ({"README.md": README.encode()} if found else {})


def safe(name: str) -> str:
    """A file's name out of a record's, which may hold anything."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"
