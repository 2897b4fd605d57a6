"""The machines, their software and their state."""

from __future__ import annotations

from oneblock.bench.report.rows.machines import Machine
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study


def build(study: Study) -> list[Machine] | None:
    """The facts of each machine; None without records."""
    return study.machines or None


SECTION = Section("Environment", "environment", 110, build)
