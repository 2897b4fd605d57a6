"""The rows of a folder of schedules, which may be anybody's: a line each, as TVM and a search write them."""

from __future__ import annotations

import json
import math
from typing import Any


def parsed(line: bytes) -> Any:
    """The value in a line; ValueError where there is none that can be held."""
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("lists within lists without end") from error


def is_workload(row: Any) -> bool:
    """Whether it is a function: [hash, module]."""
    return isinstance(row, list) and len(row) == 2 and all(isinstance(part, str) for part in row)


def is_record(row: Any, known: range) -> bool:
    """Whether it is a schedule of one of these functions: [number, [trace, seconds, target, arguments]]."""
    if not (_is_of(row, known) and isinstance(row[1], list)):
        return False
    seconds = row[1][1] if len(row[1]) == 4 else None
    return isinstance(seconds, list) and bool(seconds) and all(map(_is_seconds, seconds))


def is_batch(row: Any, known: range) -> bool:
    """Whether it is what was spent on one of these functions: [number, seconds]."""
    return _is_of(row, known) and _is_seconds(row[1])


def _is_of(row: Any, known: range) -> bool:
    return isinstance(row, list) and len(row) == 2 and type(row[0]) is int and row[0] in known


def _is_seconds(value: Any) -> bool:
    """A time, which a candidate that failed has as well; and an int that no float holds is none."""
    try:
        return type(value) in (int, float) and 0 <= float(value) < math.inf
    except OverflowError:
        return False


def short(value: Any) -> str:
    """A row or a line, for people."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else json.dumps(value)
    return repr(text[:60])
