"""What comes back of a cell: its record, the texts of its stages that are missing, and its place in the folder."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oneblock.bench.cells.cell import Cell
from oneblock.bench.fleet.cluster import Heard
from oneblock.bench.fleet.done import NODE
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.fleet.messages import TextsRequest, written
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.environment import now
from oneblock.bench.records.merge import take_texts
from oneblock.bench.records.order import next_number
from oneblock.bench.records.reading import NoRecord, made_of
from oneblock.bench.records.record import SCHEMA, ArtifactRef, Environment, Record, Status
from oneblock.bench.records.store import Store, Unreadable
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES, StoreError
from oneblock.compilers import Detail


@dataclass(frozen=True)
class Came:
    """What came of a cell: its record, or why there is none."""

    cell: Cell
    record: Record | None
    why: str = ""
    refused: bool = False  # that there is none is the node's doing, which is left out for it


@dataclass(frozen=True)
class Awaited:
    """A record whose stages' texts are to come, or those of them that were missing when it came."""

    cell: Cell
    record: Record
    missing: tuple[ArtifactRef, ...]


class Arrivals:
    """Those of one run. To a node one call for texts is on its way at a time, for all cells that wait by then."""

    def __init__(self, fleet: Fleet, store: Store, run: str) -> None:
        self.fleet, self.store, self.run = fleet, store, run
        self.awaited: dict[str, list[Awaited]] = {}  # by the node, those that nobody asked for yet
        self.asked: dict[int, tuple[str, list[Awaited]]] = {}  # by the call
        self.written: dict[Path, Record] = {}

    @property
    def none_left(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.asked and not any(self.awaited.values())

    def take(self, heard: Heard, cell: Cell | None, tier: str) -> list[Came]:
        """What a call brought: of a cell, or of those whose texts it was to bring. None yet where texts are missing."""
        node, waiting = self.asked.pop(heard.call, ("", []))
        if cell is None:
            came = self._texts_came(heard, node, waiting)
        elif heard.lost is not None:
            came = [Came(cell, None, heard.lost)]
        elif not heard.good:
            came = [self._refuse(cell, heard, heard.answer.decode("utf-8", "replace"))]
        else:
            came = self._cell_came(heard, cell, tier)
        self._ask()
        return came

    def _refuse(self, cell: Cell, heard: Heard, why: str) -> Came:
        assert heard.node is not None, "who answers is known"
        self.fleet.leave_out(heard.node, why)
        return Came(cell, None, why, refused=True)

    def _cell_came(self, heard: Heard, cell: Cell, tier: str) -> list[Came]:
        try:
            record = made_of(heard.answer)
        except NoRecord as error:
            return [self._refuse(cell, heard, f"it answered what is no record: {error}")]
        if (record.cell.key, record.tier) != (cell.key, tier):
            return [self._refuse(cell, heard, f"it answered with another cell than {cell.name}: {record.cell.name}")]
        assert heard.node is not None, "who answers is known"
        record = self._of_node(record, heard.node)
        missing = self._missing(record)
        if not missing:
            return [Came(cell, record)]
        self.awaited.setdefault(heard.node, []).append(Awaited(cell, record, missing))
        return []

    def _missing(self, record: Record) -> tuple[ArtifactRef, ...]:
        return tuple({one.sha256: one for one in record.artifacts if not self.store.has_text(one)}.values())

    def _ask(self) -> None:
        busy = {node for node, _ in self.asked.values()}
        for node in [node for node, waiting in self.awaited.items() if waiting and node not in busy]:
            waiting = self.awaited.pop(node)
            missing = dict.fromkeys(ref.sha256 for one in waiting for ref in one.missing)
            request = TextsRequest(self.run, tuple(missing))
            self.asked[self.fleet.cluster.call("texts", written(request), [node])] = node, waiting

    def _texts_came(self, heard: Heard, node: str, waiting: list[Awaited]) -> list[Came]:
        if not heard.good:
            why = heard.lost or heard.answer.decode("utf-8", "replace")
            if heard.lost is None:
                self.fleet.leave_out(node, why)
            return [Came(one.cell, None, why, refused=heard.lost is None) for one in waiting]
        texts = _texts(heard.answer)

        def ask(ref: ArtifactRef) -> bytes:
            if ref.sha256 not in texts:
                raise StoreError(f"the text {ref.sha256} of the stage {ref.stage} did not come from its node")
            return texts[ref.sha256].encode(errors="replace")

        came = []
        for one in waiting:
            _, gone = take_texts(self.store, one.missing, ask)
            came.append(Came(one.cell, None, gone[0]) if gone else Came(one.cell, one.record))
        return came

    def strand(self, alive: Mapping[str, Any]) -> list[Came]:
        """The cells whose texts were to come of nodes that are gone; nobody waits for these any more."""
        gone = [one for node in [*self.awaited] if node not in alive for one in self.awaited.pop(node)]
        for call, (node, waiting) in [*self.asked.items()]:
            if node not in alive:
                self.fleet.cluster.drop(call)
                del self.asked[call]
                gone += waiting
        return [Came(one.cell, None, "its node is gone, and the texts of its stages", refused=True) for one in gone]

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


def _texts(answer: bytes) -> dict[str, str]:
    """By hash; nothing of what is none, or would fill the memory."""
    try:
        opened = zlib.decompressobj()
        raw = opened.decompress(answer, LARGEST_TEXT_BYTES)
        found = json.loads(raw) if not opened.unconsumed_tail else None
    except (zlib.error, ValueError, RecursionError):
        return {}
    return {sha256: text for sha256, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}
