"""The commands that make each record again."""

from __future__ import annotations

from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study


def build(study: Study) -> list[Row] | None:
    """Every record, older ones included; None without records."""
    return study.rows or None


SECTION = Section("How to reproduce", "reproduce", 90, build)
