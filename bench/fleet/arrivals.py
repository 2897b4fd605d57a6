"""What comes back of a cell: its record, the texts of its stages that are missing, and its place in the folder."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.fleet.cluster import Heard
from oneblock.bench.fleet.done import NODE
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.fleet.messages import TextsRequest, written
from oneblock.bench.records.merge import take_texts
from oneblock.bench.records.order import next_number
from oneblock.bench.records.reading import NoRecord, made_of
from oneblock.bench.records.record import ArtifactRef, Record, Status
from oneblock.bench.records.store import Store, Unreadable
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES, StoreError
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.outcomes import Setting, record_of
from oneblock.bench.runs.partials import Partial
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers import Detail


class NoAnswer(Exception):
    """A cell that came to nothing there; `refused` where that is the node's doing, which is left out for it."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


@dataclass(frozen=True)
class Awaited:
    """A record whose stages' texts are asked for."""

    cell: Cell
    record: Record
    node: str
    missing: tuple[ArtifactRef, ...]


class Arrivals:
    """Those of one run."""

    def __init__(self, fleet: Fleet, store: Store, run: str) -> None:
        self.fleet, self.store, self.run = fleet, store, run
        self.awaited: dict[int, Awaited] = {}
        self.written: dict[Path, Record] = {}

    def cell_of(self, call: int) -> Cell | None:
        """Whose texts a call asked for."""
        found = self.awaited.get(call)
        return None if found is None else found.cell

    def take(self, heard: Heard, cell: Cell, tier: str) -> Record | None:
        """The record that came, with its texts in the folder; None while these are asked for, NoAnswer of none."""
        awaited = self.awaited.pop(heard.call, None)
        if heard.lost is not None:
            raise NoAnswer(heard.lost)
        assert heard.node is not None, "who answers is known"
        if not heard.good:
            why = heard.answer.decode("utf-8", "replace")
            self.fleet.leave_out(heard.node, why)
            raise NoAnswer(why, refused=True)
        if awaited is not None:
            return self._with_texts(awaited, heard.answer)
        try:
            record = made_of(heard.answer)
        except NoRecord as error:
            self.fleet.leave_out(heard.node, f"it answered what is no record: {error}")
            raise NoAnswer(str(error), refused=True) from error
        if (record.cell.key, record.tier) != (cell.key, tier):
            self.fleet.leave_out(heard.node, f"it answered with another cell than {cell.name}: {record.cell.name}")
            raise NoAnswer("another cell", refused=True)
        record = self._of_node(record, heard.node)
        missing = tuple({one.sha256: one for one in record.artifacts if not self.store.has_text(one)}.values())
        if not missing:
            return record
        request = TextsRequest(self.run, tuple(one.sha256 for one in missing))
        number = self.fleet.cluster.call("texts", written(request), [heard.node])
        self.awaited[number] = Awaited(cell, record, heard.node, missing)
        return None

    def strand(self, alive: Mapping[str, Any]) -> list[Cell]:
        """The cells whose texts were to come of nodes that are gone; nobody waits for these any more."""
        gone = {number: one for number, one in self.awaited.items() if one.node not in alive}
        for number in gone:
            self.fleet.cluster.drop(number)
            del self.awaited[number]
        return [one.cell for one in gone.values()]

    def keep(self, record: Record) -> Record:
        """Write a record into the folder, behind all that are there."""
        record = replace(record, number=next_number(self.store.directory))
        try:
            path = self.store.add(record)
        except Unreadable as error:
            record = record.crashed(f"answered what no record holds: {error}"[:500], "mend the backend")
            path = self.store.add(record)
        self.written[path] = record
        return record

    def lost(self, cell: Cell, tier: Tier, seed: int, detail: Detail, why: str) -> Record:
        """That of a cell with which whatever did it ended, again and again."""
        member = next(iter(self.fleet.members.values()))
        there = member.greeting.environment
        outcome: Outcome[Any] = Outcome(
            Status.CRASHED, reason=f"what did it ended each time: {why}", hint="see Ray's logs of the node"
        )
        bounds = Bounds(1, self.fleet.within.timeout_s, self.fleet.within.memory_bytes or 0)
        setting = Setting(there, tier, seed, detail)
        return record_of(cell, [Partial(outcome, 0)], setting, CeilingCache(there, bounds))

    def _of_node(self, record: Record, node: str) -> Record:
        """The same, with who made it: of the moment, and no part of its identity."""
        member = self.fleet.members.get(node)
        told: dict[str, str | float | int | None] = {NODE: node if member is None else member.name}
        told |= {"ray": self.fleet.cluster.ray}
        told |= {} if member is None else {"clock_ahead_s": round(member.ahead_s, 1)}
        return replace(record, environment=replace(record.environment, state=record.environment.state | told))

    def _with_texts(self, awaited: Awaited, answer: bytes) -> Record:
        texts = _texts(answer)

        def ask(ref: ArtifactRef) -> bytes:
            if ref.sha256 not in texts:
                raise StoreError(f"the text {ref.sha256} of the stage {ref.stage} is gone from its node")
            return texts[ref.sha256].encode()

        _, gone = take_texts(self.store, awaited.missing, ask)
        if gone:
            raise NoAnswer(gone[0])
        return awaited.record


def _texts(answer: bytes) -> dict[str, str]:
    """By hash; NoAnswer of what is none, or would fill the memory."""
    try:
        opened = zlib.decompressobj()
        raw = opened.decompress(answer, LARGEST_TEXT_BYTES)
        found = json.loads(raw) if not opened.unconsumed_tail else None
    except (zlib.error, ValueError, RecursionError) as error:
        raise NoAnswer(f"the texts of its stages cannot be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise NoAnswer("the texts of its stages are none, or too long")
    return found
