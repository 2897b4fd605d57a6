"""What a dossier rests upon: records and a plan, read as a stranger's, and the files beside the page that hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from oneblock.bench.cells.cell import overrides
from oneblock.bench.cost.evidence import JUDGED
from oneblock.bench.cost.told import PlanFile, ToldPlan
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import LARGEST_RECORD_BYTES
from oneblock.bench.records.names import file_name
from oneblock.bench.records.order import newest
from oneblock.bench.records.reading import NoRecord, made_of
from oneblock.bench.records.record import WRONG, Record, Status
from oneblock.bench.records.store import Store, to_json
from oneblock.bench.report.dossier.sourced import Quoted, Sentence, Source, listed
from oneblock.bench.report.rows.rows import Row, rows_of
from oneblock.compilers.api.files import read_plain

SCHEMA = "oneblock dossier 1"
MANIFEST, PLAN, RECORDS = "dossier.json", "plan.json", "records"


@dataclass(frozen=True)
class Evidence:
    """The newest record of each cell and machine, the plan if there is one, and the files of both by name."""

    question: str
    rows: Sequence[Row]  # whose paths are those beside the page
    files: dict[str, bytes]
    sources: dict[str, Source]
    plan: ToldPlan | None
    left_out: tuple[str, ...]

    def of(self, row: Row) -> Source:
        """The file of a row's record."""
        return self.sources[row.path.as_posix()]

    def named(self, row: Row, text: str, *keys: str | int) -> Quoted:
        """Words of a row's record."""
        return Quoted(text, self.of(row).at(*keys))

    def of_plan(self, text: str, *keys: str | int) -> Quoted:
        """Words of the plan."""
        return Quoted(text, self.sources[PLAN].at(*keys))

    @property
    def asked(self) -> Quoted:
        """The question, in the words of whoever asked."""
        return Quoted(self.question, self.sources[MANIFEST].at("question"))

    @property
    def not_here(self) -> list[Quoted]:
        """Files that are no record, and records of another model."""
        return [Quoted(why, self.sources[MANIFEST].at("left_out", at)) for at, why in enumerate(self.left_out)]

    @property
    def model(self) -> str:
        """Of the plan, or else of the first record; for commands."""
        return self.plan.model if self.plan is not None else self.rows[0].record.cell.case.config.name

    def right_on(self, target: str) -> list[Row]:
        """A row of each way through which blocks of the plan's model are right on a chip, in the plan's dtype.

        A way of which another record is wrong is none.
        """
        ways: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            cell = row.record.cell
            of_it = cell.case.workload == "block" and cell.target.chip_name == target
            if of_it and (self.plan is None or cell.dtype == self.plan.dtype):
                ways.setdefault((cell.backend, cell.ops), []).append(row)
        sound = [those for those in ways.values() if not any(map(wrong, those))]
        return [next(filter(right, those)) for those in sound if any(map(right, those))]

    def ways(self, rows: Sequence[Row]) -> Sentence:
        """Backends with their ops sets, each a link to its record."""
        return listed([self.named(row, f"{row.record.cell.backend} {row.record.cell.ops}", "cell") for row in rows])


def right(row: Row) -> bool:
    """Whether its answer was judged, and was right."""
    check = row.record.check
    judged = check is not None and check.passed and row.record.reported is None
    return judged and row.record.status in JUDGED


def wrong(row: Row) -> bool:
    """Whether it gave an answer that is wrong, or that nobody may believe."""
    return row.record.status in (*WRONG, Status.INVALID)


def gather(directories: Sequence[Path], question: str, plan: PlanFile | None) -> Evidence:
    """The evidence of folders of records and a plan; Refused where there is no record, or none of the plan's model."""
    raws: dict[Path, bytes] = {}
    found: list[tuple[Path, Record]] = []
    left: list[str] = []
    for path, raw in _files(directories, left):
        if plan is not None and raw == plan.raw:
            continue
        try:
            found.append((path, made_of(raw)))
        except NoRecord as error:
            left.append(f"{path}: {error}")
        raws[path] = raw
    if not found:
        where = " and ".join(map(str, directories))
        raise Refused(f"{where}: no records; `oneblock run -o {directories[0]}` makes some")
    kept = [(path, record) for path, record in newest(found) if plan is None or of_model(record, plan.plan)]
    others = {record.cell.case.config.name for _, record in found} - {
        record.cell.case.config.name for _, record in kept
    }
    if plan is not None and not kept:
        raise Refused(f"the plan is of {plan.plan.model}, and the records are of {', '.join(sorted(others))}")
    left += [f"records of {name}: the plan is of {plan.plan.model}" for name in sorted(others) if plan is not None]
    return _beside(kept, raws, question, plan, tuple(left))


def _files(directories: Sequence[Path], left: list[str]) -> Iterator[tuple[Path, bytes]]:
    for directory in directories:
        for path in Store(directory).files():
            try:
                yield path, read_plain(path, LARGEST_RECORD_BYTES)
            except OSError as error:
                left.append(f"{path}: cannot be read: {error.strerror}")


def of_model(record: Record, plan: ToldPlan) -> bool:
    """Whether a record is of the plan's model: a preset of which something was set otherwise is another."""
    config = record.cell.case.config
    return plan.model in (config.name, record.model) and (record.cell.model is not None or not overrides(config))


def _beside(
    kept: Sequence[tuple[Path, Record]], raws: dict[Path, bytes], question: str, plan: PlanFile | None,
    left: tuple[str, ...],
) -> Evidence:  # fmt: skip
    """Each record under a name that its own text gives it, so that it stays what it is whatever comes later."""
    rows: list[Row] = []
    files: dict[str, bytes] = {} if plan is None else {PLAN: plan.raw}
    for row in (row for row in rows_of(kept) if row.newest):
        raw = raws[row.path]
        name = f"{RECORDS}/{file_name(row.record.cell.name)}.{hashlib.sha256(raw).hexdigest()[:16]}.json"
        files[name] = raw
        rows.append(Row(Path(name), row.record, row.machine, row.times, row.number, row.newest))
    sums = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    manifest = {"schema": SCHEMA, "question": question, "files": sums, "left_out": left}
    files[MANIFEST] = to_json(manifest)
    sums[MANIFEST] = hashlib.sha256(files[MANIFEST]).hexdigest()
    sources = {name: Source(name, sums[name], from_json(raw)) for name, raw in files.items()}
    return Evidence(question, rows, files, sources, None if plan is None else plan.plan, left)
