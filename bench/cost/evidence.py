"""What records say of a plan's choices: whether answers are right, what was measured, what compilers counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneblock.bench.cost.plan import Scratch
from oneblock.bench.cost.tried import TriedTime, time_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.find import load
from oneblock.bench.records.record import WITHOUT_TIMES, WRONG, Record, Status
from oneblock.bench.records.store import Store
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.models import Model

_RIGHT = (Status.PASSED, *WITHOUT_TIMES)
_NOTHING = (Status.UNAVAILABLE, Status.UNSUPPORTED)  # nothing of it was compiled, or run
# An answer was judged in these; of the last alone its times are no evidence.
JUDGED = (Status.PASSED, Status.INTERPRETED, Status.SIMULATED, Status.DISTURBED)


@dataclass(frozen=True)
class Evidence:
    """A record of a block of the plan's model, in its dtype."""

    path: Path
    record: Record

    @property
    def measured_s(self) -> float | None:
        """Seconds, the median of a cold call; None where it was not measured, or is not right."""
        cold = [one for one in self.record.samples("cold") if one]
        measured = self.record.status is Status.PASSED and self.record.kind is Kind.MEASURED
        return centre(cold) if measured and cold else None

    @property
    def modelled(self) -> TriedTime | None:
        """The tried model's time of the same block; None of what it was not tried on."""
        return time_of(self.record)


def evidence(directories: Sequence[Path], model: Model, dtype: str) -> list[Evidence]:
    """The records of blocks of a model; Refused where there are records, and none is of it."""
    read = [one for directory in directories for one in load(Store(directory))]
    tried = [(path, record) for path, record in read if record.status not in _NOTHING]
    of_block = [Evidence(path, record) for path, record in tried if record.cell.case.workload == "block"]
    found = [one for one in of_block if one.record.cell.case.config in model.layers and one.record.cell.dtype == dtype]
    if not found:
        others = {f"{one.record.cell.case.config.name} in {one.record.cell.dtype}" for one in of_block}
        of = f"they are of {', '.join(sorted(others))}" if others else f"{len(read)} records, of no block"
        where = ", ".join(map(str, directories))
        raise Refused(f"{where}: no block of {model.name} in {dtype}: {of}")
    return sorted(found, key=lambda one: (one.record.cell.target, one.record.cell.name))


def scratch(found: Sequence[Evidence]) -> Mapping[str, Scratch]:
    """The most that a compiler took for one block of the model, by the chip that it compiled for."""
    most: dict[str, Scratch] = {}
    for one in found:
        cell, facts = one.record.cell, one.record.facts
        if facts is None or facts.scratch_bytes is None or cell.target.devices > 1 or one.record.status in WRONG:
            continue
        chip, told = cell.target.chip_name, Scratch(facts.scratch_bytes, cell.name)
        most[chip] = max(most.get(chip, told), told, key=lambda one: one.nbytes)
    return most


def right(found: Sequence[Evidence]) -> frozenset[str]:
    """The chips of which an answer was judged, and was right; a way that is wrong in another record is none."""
    unsound = {_way(one.record) for one in found if one.record.status in (*WRONG, Status.INVALID)}
    judged = (one.record for one in found if one.record.status in JUDGED and _way(one.record) not in unsound)
    return frozenset(one.cell.target.chip_name for one in judged if one.check is not None and one.check.passed)


def _way(record: Record) -> tuple[str, str, str]:
    return record.cell.target.chip_name, record.cell.backend, record.cell.ops


def wrong(found: Sequence[Evidence]) -> Mapping[str, str]:
    """Why a target is left out, by its chip: every answer of the model's block that it gave was wrong."""
    by_chip: dict[str, list[Record]] = {}
    for one in found:
        by_chip.setdefault(one.record.cell.target.chip_name, []).append(one.record)
    said = {}
    for chip, records in by_chip.items():
        failed = [record for record in records if record.status in WRONG]
        if failed and not any(record.status in _RIGHT for record in records):
            said[chip] = f"its answer is wrong in all {len(failed)} cells that gave one, as {failed[0].cell.name}"
    return said
