"""Step attribution of each stage of a cell: the fraction of its operations that are mapped to a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.report.explorer.cells import StageText

OTHERS = "other files"


@dataclass(frozen=True)
class Share:
    """A family of dialects in one stage, such as every text a kernel, all together."""

    family: str
    share: float | None  # of the operations of the texts that were read, those mapped to a step; None without any
    operations: int
    by: str  # what a step is told by: "operation", or "kernel" where all of a kernel's lines have its steps
    unread: dict[str, int]  # why texts were not read: how many


@dataclass(frozen=True)
class Attribution:
    """The shares of one cell, by the name of the stage."""

    name: str
    label: str
    subject: str
    stages: dict[str, list[Share]]


def shares(stages: Sequence[StageText]) -> dict[str, list[Share]]:
    """By the name of the stage, in the order in which its families come; files in no dialect, together."""
    found: dict[tuple[str, str], list[StageText]] = {}
    for stage in stages:
        found.setdefault((stage.stage, OTHERS if stage.other else stage.family), []).append(stage)
    told: dict[str, list[Share]] = {}
    for (name, family), of in found.items():
        told.setdefault(name, []).append(_share(family, of))
    return told


def _share(family: str, of: Sequence[StageText]) -> Share:
    known = [(one.share, one.operations or 0) for one in of if one.share is not None]
    total = sum(operations for _, operations in known)
    claimed = sum(share * operations for share, operations in known)
    by = "kernel" if any(one.by == "kernel" and one.share is not None for one in of) else "operation"
    unread = Counter(one.unread for one in of if one.unread is not None)
    return Share(family, claimed / total if total else None, total, by, unread)
