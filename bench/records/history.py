"""Older schemas: how a record that an earlier oneblock wrote becomes one of the schema of today.

What a schema added is absent in those before it, and its default says so. What a schema changed is converted here.
"""

from __future__ import annotations

from typing import Any

from oneblock.bench.records.record import SCHEMA


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of any schema up to today's, as it stands in JSON, as one of today's."""
    if record["schema"] < 6:
        record = _six(record)
    return record | {"schema": SCHEMA}


def _six(record: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 5 or older as one of 6."""
    config = record["cell"]["case"]["config"]
    return record | {"family": config.get("family")}
