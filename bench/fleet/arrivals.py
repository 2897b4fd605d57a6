"""What comes back of a cell: its record, the texts of its stages that are missing, and its place in the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oneblock.bench.cells.cell import Cell
from oneblock.bench.fleet.cluster import Heard
from oneblock.bench.fleet.done import NODE
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.fleet.messages import KNOWN_BY, Misspoken, parted
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.environment import now
from oneblock.bench.records.merge import take_texts
from oneblock.bench.records.order import next_number
from oneblock.bench.records.reading import NoRecord, made_of
from oneblock.bench.records.record import SCHEMA, ArtifactRef, Environment, Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.compilers import Detail

_HASH = re.compile("[0-9a-f]{64}")
_MOST_KNOWN = 5000  # that are told with each cell


@dataclass(frozen=True)
class Came:
    """What came of a cell: its record, or why there is none."""

    record: Record | None
    why: str = ""
    refused: bool = False  # that there is none is the node's doing, which is left out for it


class Arrivals:
    """Those of one run."""

    def __init__(self, fleet: Fleet, store: Store) -> None:
        self.fleet, self.store = fleet, store
        self.written: dict[Path, Record] = {}
        self._texts = {path.stem for path in (store.directory / "artifacts").glob("*.txt")}  # by their names alone

    @property
    def known(self) -> tuple[str, ...]:
        """The beginnings of hashes of texts that are here; some of very many, of which others then come for nothing."""
        return tuple(sorted({name[:KNOWN_BY] for name in self._texts if _HASH.fullmatch(name)})[:_MOST_KNOWN])

    def take(self, heard: Heard, cell: Cell, tier: str) -> Came:
        """What a call for a cell brought; the texts of its stages are here then."""
        if heard.lost is not None:
            return Came(None, heard.lost)
        assert heard.node is not None, "who answers is known"
        if not heard.good:
            return self._refuse(heard.node, heard.answer.decode("utf-8", "replace"))
        try:
            raw, texts = parted(heard.answer)
            record = made_of(raw)
        except (Misspoken, NoRecord) as error:
            return self._refuse(heard.node, f"it answered what is no record: {error}")
        if (record.cell.key, record.tier) != (cell.key, tier):
            return self._refuse(heard.node, f"it answered with another cell: {record.cell.name}")

        def ask(ref: ArtifactRef) -> bytes:
            if ref.sha256 not in texts:
                self._texts.discard(ref.sha256)  # whatever lies here under its name
                raise StoreError(f"the text {ref.sha256} of the stage {ref.stage} did not come with its record")
            return texts[ref.sha256].encode(errors="replace")

        _, gone = take_texts(self.store, record.artifacts, ask)
        if gone:
            return Came(None, gone[0])
        self._texts |= {ref.sha256 for ref in record.artifacts}
        return Came(self._of_node(record, heard.node))

    def _refuse(self, node: str, why: str) -> Came:
        self.fleet.leave_out(node, why)
        return Came(None, why, refused=True)

    def keep(self, record: Record) -> Record:
        """Write a record into the folder, behind all that are there."""
        record = replace(record, number=next_number(self.store.directory))
        path, record = self.store.add_or_crashed(record)
        self.written[path] = record
        return record

    def _of_node(self, record: Record, node: str) -> Record:
        """The same, with who made it: of the moment, and no part of its identity."""
        member = self.fleet.members.get(node)
        told: dict[str, str | float | int | None] = {NODE: node if member is None else member.name}
        told |= {"ray": self.fleet.cluster.ray}
        told |= {} if member is None else {"clock_ahead_s": round(member.ahead_s, 1)}
        return replace(record, environment=replace(record.environment, state=record.environment.state | told))


def lost(cell: Cell, why: str, within: Environment, tier: str, seed: int, detail: Detail) -> Record:
    """The record of a cell with which whatever did it ended, again and again."""
    reason, hint = f"what did it ended each time: {why}", "see Ray's logs of the nodes"
    nothing: dict[str, Any] = dict.fromkeys(("kind", "device", "check", "limits"))
    emptied: dict[str, Any] = dict.fromkeys(("log_tail", "launches", "doubts", "artifacts"), ())
    return Record(
        schema=SCHEMA, created=now(), cell=cell, tier=tier, status=Status.CRASHED, reason=reason, hint=hint,
        wrong_answers_rejected=0, costs=costs(cell.case, cell.dtype), environment=within, order_seed=seed,
        family=cell.case.config.family, detail=detail, **nothing, **emptied,
    )  # fmt: skip
