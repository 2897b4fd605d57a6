"""How times, limits and errors were obtained, in words."""

from __future__ import annotations

from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study


def build(study: Study) -> list[str] | None:
    """The clocks that timed the study's processes; None without records."""
    timers = (launch.timer for row in study.rows for launch in row.record.launches)
    return list(dict.fromkeys(timers)) if study.rows else None


SECTION = Section("How each figure was obtained", "how", 100, build, contents="How it was measured")
