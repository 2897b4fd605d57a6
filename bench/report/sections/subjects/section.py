"""The cells of each subject beside each other: times, limits, costs, errors and samples."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.report.plots.plots import Plot
from oneblock.bench.report.section import OPEN, Section
from oneblock.bench.report.sections.subjects.plots import strips
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Comparison:
    """The samples of each of the study's groups; None where it has no measured times."""

    strips: list[Plot | None]
    open: bool  # so few that none is folded


def build(study: Study) -> Comparison | None:
    """The plots of the study's groups; None without records."""
    if not study.rows:
        return None
    return Comparison([strips(study.plots, group) for group in study.groups], len(study.groups) <= OPEN)


SECTION = Section("Compare", "subjects", 30, build, kinds=(Kind.MEASURED, Kind.MODELLED))
