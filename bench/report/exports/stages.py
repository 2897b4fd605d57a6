"""Stages that other programs open: timelines as one trace a record, programs as files of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from oneblock.bench.records.names import file_name
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Problem, Store
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.dialects import StageName, find

Sources = Iterable[tuple[str, Record, Store]]  # (the name of the record's file, the record, where its texts are)


def traces(sources: Sources) -> tuple[dict[str, bytes], list[Problem]]:
    """For each record with timelines one trace (Chrome's format, which Perfetto reads), by the name of its file.

    A timeline that is no such trace is left out of it, and named.
    """
    found, problems = {}, []
    for name, record, store in sources:
        refs = [ref for ref in record.artifacts if (known := find(ref.dialect)) and known.timeline]
        parts = []
        for ref in sorted(refs, key=lambda ref: _in_order(ref.dialect)):
            path = store.artifact_path(ref.sha256)
            try:
                parts.append(_timeline(store.text(ref)))
            except StoreError as error:
                problems.append(Problem(path, str(error)))
            except ValueError as error:
                problems.append(Problem(path, f"{path}: {ref.dialect} of {record.cell.name} is no trace: {error}"))
        if parts:
            found[f"{file_name(name)}.json"] = json.dumps(joined(parts)).encode()
    return found, problems


def _in_order(dialect: str) -> tuple[float, str]:
    """By the number of the call in "perfetto:07-linear": as text, call 100 would stand before call 11."""
    number = StageName.parse(dialect).number
    return (math.inf if number is None else number), dialect


def _timeline(text: str) -> dict[str, Any]:
    """A trace's JSON; ValueError says what it lacks."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict) or not isinstance(found.get("traceEvents"), list):
        raise ValueError("it has no list of events")
    try:
        joined([found])
    except (AttributeError, TypeError, ArithmeticError) as error:
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


def programs(sources: Sources) -> tuple[dict[str, bytes], list[Problem]]:
    """Each record's programs in dialects that others open, by "DIALECT/NAME.mlir", and beside them what opens them.

    A text that is gone, or not that of its record, is left out and named.
    """
    found: dict[str, bytes] = {}
    problems = []
    for name, record, store in sources:
        for ref in record.artifacts:
            known = find(ref.dialect)
            if not known or not known.file or ref.dialect not in known.names:
                continue
            try:
                found[f"{ref.dialect}/{file_name(name)}{known.file.suffix}"] = store.text(ref).encode()
            except StoreError as error:
                problems.append(Problem(store.artifact_path(ref.sha256), str(error)))
            else:
                found[f"{ref.dialect}/README.md"] = known.file.readme.encode()
    return found, problems
