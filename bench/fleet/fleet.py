"""The machines of a cluster as a driver knows them: who each is, what it has, and who is left out by name."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.fleet.cluster import Cluster, ClusterGone, Heard, Node, connected
from oneblock.bench.fleet.messages import (
    Greeting,
    GreetRequest,
    Misspoken,
    NodeBounds,
    ProbeAnswer,
    ProbeRequest,
    read,
    source_sha256,
    written,
)
from oneblock.bench.format.out import note
from oneblock.bench.records.dependence import installed
from oneblock.bench.runs.probes import stated

_GREETING_S = 120.0  # the first word of a node
_MADE_S = 1800.0  # and of one that makes a runtime environment first
_TICK_S = 0.5
_CLOCK_S = 60.0  # by so much another clock is told of


@dataclass(frozen=True)
class Member:
    """A node that takes part."""

    node: Node
    greeting: Greeting
    ahead_s: float  # of this machine's clock its own

    @property
    def name(self) -> str:
        """For people, and apart from others of its machine: "host1 (10.0.0.3, 1f2e3d4c)"."""
        return f"{self.greeting.name} ({self.node.address}, {self.node.id[:8]})"


class Fleet:
    """A cluster's nodes, asked one by one."""

    def __init__(self, cluster: Cluster, within: NodeBounds, greeting_s: float = _GREETING_S) -> None:
        self.cluster, self.within, self.greeting_s = cluster, within, greeting_s
        self.members: dict[str, Member] = {}  # by the name of the node in the cluster
        self.refused: dict[str, str] = {}  # why a node is left out, by that name
        self.of_pairs: dict[str, dict[Pair, PlatformProbe | None]] = {}  # what a node has, by its name, once asked
        self._heard_s: dict[str, float] = {}  # when a node answered last, by this machine's clock
        self._later: deque[Heard] = deque()  # of calls that nobody waits for yet

    @property
    def alive(self) -> dict[str, Member]:
        """The members that are there."""
        return {name: one for name, one in self.members.items() if name in self.cluster.nodes}

    def hear(self, within_s: float) -> Heard | None:
        """What comes next of calls that were made; None where nothing does in time."""
        return self._later.popleft() if self._later else self.cluster.hear(within_s)

    def ask(self, names: Iterable[str], what: str, request: Any, within_s: float, **needs: Any) -> dict[str, bytes]:
        """What each of some nodes answers; who does not, or cannot, is left out from then on, by name."""
        raw = written(request)
        waiting = {self.cluster.call(what, raw, [name], **needs): name for name in names}
        answers: dict[str, bytes] = {}
        end = monotonic() + within_s
        while waiting:
            heard = self.cluster.hear(min(_TICK_S, max(0.0, end - monotonic())))
            if heard is not None and heard.call not in waiting:
                self._later.append(heard)
            elif heard is not None and heard.good:
                name = waiting.pop(heard.call)
                answers[name], self._heard_s[name] = heard.answer, time()
            elif heard is not None:
                why = heard.lost or heard.answer.decode("utf-8", "replace")
                self.leave_out(waiting.pop(heard.call), why)
            for number, name in [*waiting.items()]:
                if name not in self.cluster.nodes or monotonic() > end:
                    self.cluster.drop(number)
                    late = name in self.cluster.nodes
                    self.leave_out(waiting.pop(number), f"no answer in {within_s:.0f} s" if late else "it is gone")
        return answers

    def leave_out(self, name: str, why: str) -> None:
        """Take no more of a node, and say so once."""
        member = self.members.pop(name, None)
        node = self.cluster.nodes.get(name)
        shown = member.name if member is not None else f"{node.address}, {name[:8]}" if node is not None else name[:8]
        if name not in self.refused:
            self.refused[name] = f"node {shown} is left out: {why}"
            note(f"oneblock: {self.refused[name]}")

    def new(self) -> list[str]:
        """The nodes with cores that have not been asked who they are; a head that is to do nothing has none."""
        known = {*self.members, *self.refused}
        return [name for name, one in self.cluster.nodes.items() if name not in known and one.has("CPU") >= 1]

    def greet(self, cells: Sequence[Cell] = ()) -> list[str]:
        """Ask who they are those that were not asked before; the names of those who then take part.

        A node of another oneblock is left out: its records would be of other sources, and no one's here.
        """
        answers = self.ask(self.new(), "greet", GreetRequest(tuple(cells), self.within), self.greeting_s)
        joined = []
        for name, raw in answers.items():
            try:
                greeting: Greeting = read(Greeting, raw)
                if greeting.source_sha256 == source_sha256():
                    _held_to(greeting, len(cells))
            except Misspoken as error:
                self.leave_out(name, f"another oneblock is there, or none: {error}")
                continue
            if greeting.source_sha256 != source_sha256():
                self.leave_out(name, _another(greeting))
                continue
            member = Member(self.cluster.nodes[name], greeting, greeting.clock_s - self._heard_s[name])
            self.members[name] = member
            joined.append(name)
            if abs(member.ahead_s) > _CLOCK_S:
                note(
                    f"oneblock: node {member.name}: its clock is {member.ahead_s:+.0f} s from this machine's: the "
                    "times in its records are by it, their order is not"
                )
        return joined

    def required(self) -> None:
        """Refused where nobody takes part."""
        if not self.alive:
            why = "; ".join(self.refused.values()) or "it has none with cores"
            raise ClusterGone(f"--on {self.cluster.on}: expected a node that takes part, got none: {why}", 1)

    def probe(self, names: Iterable[str], asked: Sequence[str], pairs: Sequence[tuple[str, Target]] = ()) -> Rows:
        """What each of some nodes has of these backends, or for these pairs."""
        names = [*names]
        of_gpus = [name for name in names if self.members[name].node.has("GPU")]
        request, within_s = ProbeRequest(tuple(asked), tuple(pairs), self.within), self.within.timeout_s + _GREETING_S
        answers = self.ask(set(names) - {*of_gpus}, "probe", request, within_s, num_cpus=0)
        answers |= self.ask(of_gpus, "probe", request, within_s, num_cpus=0, num_gpus=1)  # else it is shown none
        found: Rows = {}
        for name, raw in answers.items():
            try:
                found[name] = read(ProbeAnswer, raw).rows
                for row in found[name]:
                    Target.parse(row.target or row.platform or "cpu")
            except (Misspoken, LookupError) as error:
                found.pop(name, None)
                self.leave_out(name, str(error))
        return found

    def learn(self, names: Iterable[str], pairs: Iterable[Pair]) -> list[PlatformProbe]:
        """What each of some nodes has for these pairs; it is asked once."""
        names, pairs = [*names], [*dict.fromkeys(pairs)]
        new = [name for name in names if not self.of_pairs.get(name, {}).keys() >= {*pairs}]
        for name, rows in (self.probe(new, (), pairs) if pairs and new else {}).items():
            found = {(row.backend, Target.parse(row.target)): row for row in rows if row.target}
            self.of_pairs.setdefault(name, {}).update({pair: found.get(pair) for pair in pairs})
        told = (self.of_pairs[name][pair] for name in names if name in self.of_pairs for pair in pairs)
        return [row for row in told if row is not None]

    def rows(self, named: Sequence[str], targets: Sequence[Target]) -> list[PlatformProbe]:
        """What a run must know of the backends that it names, or of all: the best that any node has of each."""
        known = stated(named, bool(targets))
        asked = [name for name in named or backends.names() if name not in known]
        if asked:
            self.greet()
            self.required()
        pairs = [(name, target) for name in asked for target in targets] if named else []
        told = self.learn(self.alive, pairs)
        left = [name for name in asked if name not in {row.backend for row in told}]
        told += [row for rows in (self.probe(self.alive, left).values() if left else ()) for row in rows]
        best: dict[tuple[str, str], PlatformProbe] = {}
        for row in told:
            before = best.get((row.backend, row.platform))
            if before is None or _worth(row) > _worth(before):
                best[row.backend, row.platform] = row
        for row in best.values():
            known.setdefault(row.backend, []).append(row)
        return [row for name in dict.fromkeys(named or backends.names()) for row in known.get(name, [])]


Pair = tuple[str, Target]
Rows = dict[str, Sequence[PlatformProbe]]  # by the node


def _held_to(greeting: Greeting, cells: int) -> None:
    """Misspoken unless it tells of every cell the software, and of none another's."""
    of = greeting.of_cells
    if len(of) != cells or any(not 0 <= one < len(greeting.software) for one in of):
        raise Misspoken(
            f"expected the software of {cells} cells, got of {len(of)} that of {len(greeting.software)} kinds"
        )


def _worth(row: PlatformProbe) -> tuple[bool, int]:
    return row.device is not None, len(row.elsewhere)


def _another(greeting: Greeting) -> str:
    return (
        f"expected the oneblock of this machine ({installed(['oneblock'])['oneblock']}, sources "
        f"{source_sha256()[:12]}), got another ({greeting.oneblock}, sources {greeting.source_sha256[:12]}): install "
        "the same there"
    )


@contextlib.contextmanager
def opened(on: str, within: NodeBounds, runtime_env: Path | None = None) -> Iterator[Fleet]:
    """The fleet that --on names; nobody was asked who he is yet."""
    with connected(on, runtime_env) as cluster:
        yield Fleet(cluster, within, _GREETING_S if runtime_env is None else _MADE_S)
