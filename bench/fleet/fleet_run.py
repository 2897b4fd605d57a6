"""Running cells over a fleet: each on a machine that has what it needs, each once, resumable after any interruption.

A cell is done where the folder has its record as a member of the fleet would make it: see done.py. What is lost with
its node is asked for again, elsewhere; what comes back is read as a stranger's, and dropped where it came before.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.fleet.arrivals import Arrivals, lost
from oneblock.bench.fleet.cluster import ClusterGone, Heard
from oneblock.bench.fleet.done import Done, one_driver
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.fleet.messages import CellRequest, written
from oneblock.bench.fleet.places import Place, Places
from oneblock.bench.records.index import FEWEST, reader
from oneblock.bench.records.reading import without_collection
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.runs.run import Finished, Progress, Tell
from oneblock.compilers import Detail

_TICK_S = 0.25
_TRIES = 3  # of a cell with which something was lost each time
_NOBODY_S = 60.0  # without any node that may do what is left
_SLACK_S = 120.0


@dataclass(frozen=True)
class Flight:
    """A cell that was asked for."""

    cell: Cell
    place: Place


class FleetRun:
    """One run of some cells over a fleet into one records directory."""

    def __init__(
        self, fleet: Fleet, cells: list[Cell], tier: Tier, store: Store, *, seed: int = 0, again: bool = False,
        detail: Detail = Detail.DEFAULT, indexed: bool = False,
    ) -> None:  # fmt: skip
        self.fleet, self.cells, self.tier, self.store, self.seed, self.again = fleet, cells, tier, store, seed, again
        self.detail, self.indexed = detail, indexed
        self.finished: dict[Cell, Record] = {}
        self.skipped: set[Cell] = set()
        self.progress = Progress(planned=len(cells) * tier.launches)
        self.places = Places(fleet, cells)
        self.arrivals = Arrivals(fleet, store)
        self._waiting: list[Cell] = []
        self._queues: dict[Place, deque[Cell]] = {}
        self._flying: dict[int, Flight] = {}
        self._tries: Counter[Cell] = Counter()
        self._heard_s = monotonic()
        self._nobody_s: float | None = None  # since when there is none

    def go(self, tell: Tell, finished: Finished = lambda _: None) -> list[Record]:
        """Have every cell done that has no record yet; the records of all of them, in the order of the cells.

        `finished` hears each record that comes. Refused where the cluster is gone, or no node is left.
        """
        self.store.check_writable()
        with one_driver(self.store.directory):
            tell("asking the nodes who they are")
            self.fleet.members.clear()
            self.fleet.greet(self.cells)
            self.fleet.required()
            left = self._order(self._left())
            self.progress.planned = len(left) * self.tier.launches
            if left:
                tell("asking the nodes what they have")
                self.places.learn(self.fleet.alive, left)
                self._waiting = left
                self._drive(tell, finished)
            self.fleet.cluster.leave()
        return [self.finished[cell] for cell in self.cells]

    def lost(self) -> list[Path]:
        """The records that this run wrote and that are not there any more, whole and with all their stages' texts."""
        return [path for path, record in self.arrivals.written.items() if not self.store.holds(path, record)]

    def _left(self) -> list[Cell]:
        if self.again:
            return [*self.cells]
        with without_collection():
            done = Done(self.store, reader(self.store) if self.indexed and len(self.cells) >= FEWEST else read_record)
            return [cell for cell in self.cells if not self._already(cell, done)]

    def _already(self, cell: Cell, done: Done) -> bool:
        makers = (
            (one.greeting.environment.facts(), self.places.software(one, cell)) for one in self.fleet.alive.values()
        )
        record = None if self.again else done.of(cell, self.tier.name, makers)
        if record is not None:
            self.finished[cell] = record
            self.skipped.add(cell)
        return record is not None

    def _order(self, cells: list[Cell]) -> list[Cell]:
        """The order that the seed fixes, as on one machine."""
        random.Random(f"{self.seed}/0").shuffle(cells)
        return cells

    def _drive(self, tell: Tell, finished: Finished) -> None:
        nodes: set[str] = set()
        self._heard_s = monotonic()
        while self._waiting or self._flying or any(self._queues.values()):
            if nodes != self.fleet.alive.keys() or self._waiting or self.fleet.new():
                self._join()
                nodes = {*self.fleet.alive}
                self._settle()
            for place, queue in self._queues.items():
                self._ask(place, queue)
            tell(f"{len(self._flying)} cells on {len(nodes)} nodes")
            heard = self.fleet.hear(_TICK_S)
            if heard is not None:
                self._heard_s = monotonic()
                self._take(heard, finished)
            self._look(finished)

    def _join(self) -> None:
        """Take in nodes that came since."""
        if self.fleet.new():
            left = [*self._waiting, *(cell for queue in self._queues.values() for cell in queue)]
            left += [flight.cell for flight in self._flying.values()]
            self.places.learn(self.fleet.greet(self.cells), left)

    def _settle(self) -> None:
        """Give each cell that waits its place among the nodes that are there."""
        waiting = [*(cell for queue in self._queues.values() for cell in queue), *self._waiting]
        self._queues, self._waiting = {}, []
        for turn, cell in enumerate(waiting):
            place = self.places.of(cell, turn)
            self._waiting.append(cell) if place is None else self._queues.setdefault(place, deque()).append(cell)

    def _ask(self, place: Place, queue: deque[Cell]) -> None:
        flying = sum(flight.place == place for flight in self._flying.values())
        known = self.arrivals.known if flying < place.most and queue else ()
        for _ in range(min(len(queue), place.most - flying)):
            cell = queue.popleft()
            request = CellRequest(
                known, cell, self.tier.name, self.fleet.within, self.seed, self.detail, place.elsewhere,
                place.untimed,
            )  # fmt: skip
            number = self.fleet.cluster.call("cell", written(request), place.names, **place.options())
            self._flying[number] = Flight(cell, place)

    def _take(self, heard: Heard, finished: Finished) -> None:
        """What came of a cell."""
        flight = self._flying.pop(heard.call, None)
        if flight is None:
            return  # of a call that was given up: too late
        came = self.arrivals.take(heard, flight.cell, self.tier.name)
        if came.record is None:
            self._again(flight.cell, came.why, finished, counted=not came.refused)
        else:
            self._finish(flight.cell, came.record, finished)

    def _finish(self, cell: Cell, record: Record, finished: Finished) -> None:
        """Keep a record, unless the folder has one by now: of another run, or of this cell's first time."""
        self.progress.launches = min(self.progress.launches + self.tier.launches, self.progress.planned)
        if cell in self.finished or self._already(cell, Done(self.store, read_record)):
            return
        self.finished[cell] = self.arrivals.keep(record)
        finished(self.finished[cell])

    def _again(self, cell: Cell, why: str, finished: Finished, *, counted: bool) -> None:
        """Ask for a cell anew, elsewhere if it can be; after some times it is a crash of its own."""
        self._tries[cell] += counted
        if self._tries[cell] < _TRIES or not self.fleet.members:
            self._waiting.append(cell)
            return
        member = next(iter(self.fleet.members.values()))
        there = replace(member.greeting.environment, software={**self.places.software(member, cell)})
        self._finish(cell, lost(cell, why, there, self.tier.name, self.seed, self.detail), finished)

    def _look(self, finished: Finished) -> None:
        """At what hangs: cells whose nodes are all gone, a silence that is too long, nobody to ask."""
        alive = self.fleet.alive
        silence = monotonic() - self._heard_s
        patience = (self.tier.launches + 4) * self.fleet.within.timeout_s + _SLACK_S
        for number, flight in [*self._flying.items()]:
            stranded = not any(name in alive for name in flight.place.names)
            if stranded or silence > patience:
                self.fleet.cluster.drop(number)
                del self._flying[number]
                why = "its nodes are gone" if stranded else f"nothing came back in {patience:.0f} s"
                self._again(flight.cell, why, finished, counted=not stranded)
        if silence > patience:
            self._heard_s = monotonic()
        if alive or self._flying:
            self._nobody_s = None
        elif self._nobody_s is None:
            self._nobody_s = monotonic()
        elif monotonic() - self._nobody_s > _NOBODY_S:
            raise ClusterGone(
                f"--on {self.fleet.cluster.on}: no node is left that takes part, for {_NOBODY_S:.0f} s: what came back "
                "is kept; the same command goes on from here", 1,
            )  # fmt: skip
