"""From the text of a file to a record, or to the sentence that says why it is none."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from oneblock.bench.records.history import upgraded
from oneblock.bench.records.record import SCHEMA, Record
from oneblock.bench.records.sound import Unsound, parsed, unsound


class NoRecord(ValueError):
    """Why a text is no record, and what to do."""


@cache
def adapter(of: Any = Record) -> Any:
    """Pydantic's validator and serialiser for a dataclass; not-a-number and infinity are written as strings."""
    if isinstance(of, type) and not hasattr(of, "__pydantic_config__"):
        of.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    return TypeAdapter(of)


def made_of(raw: bytes) -> Record:
    """The record that a text is, of whatever schema up to today's."""
    try:
        found = parsed(raw)
    except Unsound as error:
        raise NoRecord(f"{error}: no record of oneblock; move it away") from error
    except (ValueError, RecursionError) as error:
        raise NoRecord(f"not JSON ({error}); truncated, or no record: delete it or move it away") from error
    version = found.get("schema") if isinstance(found, dict) else None
    if type(version) is not int or version < 1:
        raise NoRecord("JSON without a schema number: not a record of oneblock; move it away")
    if version > SCHEMA:
        raise NoRecord(f"schema {version}, and this oneblock reads up to {SCHEMA}: upgrade oneblock")
    return _validated(found if version == SCHEMA else _upgraded(found))


def _upgraded(found: dict[str, Any]) -> dict[str, Any]:
    try:
        return upgraded(found)
    except Exception as error:  # whatever stands in a field, the files beside this one are read
        raise NoRecord(
            f"expected the fields of schema {found['schema']}, which it says it is of, got others ({error!r}): "
            "no record of oneblock; move it away"
        ) from error


def _validated(found: dict[str, Any]) -> Record:
    try:
        record = adapter().validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NoRecord(
            f"{error.error_count()} fields do not fit schema {SCHEMA}; the first: {where}: {first['msg']}"
        ) from error
    assert isinstance(record, Record)
    for sentence in unsound(record):
        raise NoRecord(sentence)
    return record


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Where thousands of records are read: none is garbage, and looking for it takes as long as reading."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
