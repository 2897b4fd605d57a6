"""Each compiler's stages side by side, with the lines of a step marked in all of them."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.report.explorer.shares import Attribution
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study
from oneblock.compilers import Stage


@dataclass(frozen=True)
class Stages:
    """The stages that a program passes in order, and of each cell the shares of its operations by stage."""

    stages: list[str]
    attribution: list[Attribution]
    json: str


def build(study: Study) -> Stages | None:
    """The Explorer's stages; None where no record has any."""
    if not study.explorer.cells:
        return None
    return Stages([stage.value for stage in Stage], study.explorer.attribution, study.explorer.json)


COLUMNS = ("name", "stage", "dialect", "attributed_fraction", "operations", "attributed_by", "texts_not_read")


def rows(study: Study) -> list[dict[str, Value]]:
    """The step attribution of each stage and dialect of a cell, for other programs."""
    found = [
        (cell.name, stage, one.family, one.share, one.operations, one.by, sum(one.unread.values()))
        for cell in study.explorer.attribution
        for stage, shares in cell.stages.items()
        for one in shares
    ]
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


SECTION = Section("Explorer", "explorer", 28, build, table=Table("attribution", COLUMNS, rows))
