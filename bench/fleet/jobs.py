"""Jobs of any kind over a fleet, each as a worker of a node answers it: what has no record, such as a search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from time import monotonic
from typing import Generic

from oneblock.bench.cells.cell import Cell
from oneblock.bench.fleet.cluster import ClusterGone, Heard
from oneblock.bench.fleet.fleet import Fleet
from oneblock.bench.fleet.messages import JobRequest, written
from oneblock.bench.fleet.places import Place, Places
from oneblock.bench.records.record import Status
from oneblock.bench.worker.jobs import Job, Outcome, Result
from oneblock.bench.worker.launch import read_outcome, to_data

_TICK_S = 0.5
_TRIES = 3
_SLACK_S = 120.0  # beside what its process may take


def launch_all(fleet: Fleet, jobs: Sequence[Job[Result]], cell: Cell) -> list[Outcome[Result]]:
    """What jobs of one cell come to, each on a node that does such; what is lost with a node is done elsewhere."""
    fleet.greet([cell])
    fleet.required()
    places = Places(fleet, [cell])
    places.learn(fleet.alive, [cell])
    return _Jobs(fleet, jobs, places, cell).outcomes()


class _Jobs(Generic[Result]):
    """Those of one call, and what came of them, by their numbers."""

    def __init__(self, fleet: Fleet, jobs: Sequence[Job[Result]], places: Places, cell: Cell) -> None:
        self.fleet, self.jobs, self.places, self.cell = fleet, jobs, places, cell
        self.done: dict[int, Outcome[Result]] = {}
        self.flying: dict[int, tuple[int, Place]] = {}
        self.tries = dict.fromkeys(range(len(jobs)), 0)

    def outcomes(self) -> list[Outcome[Result]]:
        """All of them; each job is bounded by its node, and the whole by what they may take one after another."""
        end = monotonic() + len(self.jobs) * _TRIES * (self.fleet.within.timeout_s + _SLACK_S)
        for number in range(len(self.jobs)):
            self._ask(number)
        while len(self.done) < len(self.jobs):
            heard = self.fleet.hear(_TICK_S)
            if heard is not None and heard.call in self.flying:
                number, _ = self.flying.pop(heard.call)
                self._take(number, heard)
            for call, (number, place) in [*self.flying.items()]:
                if not any(name in self.fleet.alive for name in place.names):
                    self.fleet.cluster.drop(call)
                    del self.flying[call]
                    self._again(number, "its nodes are gone")
            if monotonic() > end:
                raise ClusterGone(f"--on {self.fleet.cluster.on}: expected answers by now, got none", 1)
        return [self.done[number] for number in range(len(self.jobs))]

    def _ask(self, number: int) -> None:
        place = self.places.of(self.cell, number)
        if place is None:
            raise ClusterGone(f"--on {self.fleet.cluster.on}: no node is left that takes part", 1)
        request = JobRequest(to_data(self.jobs[number]), self.fleet.within)
        call = self.fleet.cluster.call("job", written(request), place.names, **place.options())
        self.flying[call] = number, place

    def _take(self, number: int, heard: Heard) -> None:
        if heard.lost is not None:
            self._again(number, heard.lost)
            return
        try:
            if heard.good:
                self.done[number] = read_outcome(self.jobs[number], json.loads(heard.answer))
                return
            why = heard.answer.decode("utf-8", "replace")
        except ValueError as error:
            why = f"it answered what no {type(self.jobs[number]).__name__} answers: {error}"[:300]
        assert heard.node is not None, "who answers is known"
        self.fleet.leave_out(heard.node, why)
        self._ask(number)

    def _again(self, number: int, why: str) -> None:
        self.tries[number] += 1
        if self.tries[number] < _TRIES:
            self._ask(number)
        else:
            reason = f"what did it ended each time: {why}"
            self.done[number] = Outcome(Status.CRASHED, reason=reason, hint="see Ray's logs of the nodes")
