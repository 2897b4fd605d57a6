"""Where a cell may be done: on which nodes what it needs is installed, and what of them it takes there.

Which of those it is, and when, is Ray's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oneblock.bench.cells.cell import Cell
from oneblock.bench.fleet.fleet import Fleet, Member
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.units import size
from oneblock.bench.runs.probes import runs_here
from oneblock.compilers.api.kind import Kind

_GPUS = ("cuda", "rocm")
_WHOLE = {"tpu": "TPU", "neuron": "neuron_cores"}  # of which a process takes all that a machine has
_AHEAD = 2  # times what the nodes hold is asked for: none waits for its next


@dataclass(frozen=True)
class Place:
    """Some nodes that are alike for a cell, and what of one of them it takes."""

    names: tuple[str, ...]
    needs: tuple[tuple[str, float | tuple[tuple[str, float], ...]], ...]
    elsewhere: bool  # nothing is run there: it is compiled, or refused
    untimed: bool
    most: int  # that may be asked for at once

    def options(self) -> dict[str, object]:
        """As Ray has them."""
        return {name: dict(value) if isinstance(value, tuple) else value for name, value in self.needs}


class Places:
    """Those of the cells of a run, as long as the nodes are the same."""

    def __init__(self, fleet: Fleet, cells: Sequence[Cell]) -> None:
        self.fleet = fleet
        self._number = {cell: number for number, cell in enumerate(cells)}

    def learn(self, names: Iterable[str], cells: Iterable[Cell]) -> None:
        """Ask nodes what they have for these cells. That a processor runs what is installed for it is not asked."""
        self.fleet.learn(names, ((cell.backend, cell.target) for cell in cells if cell.target != "cpu"))

    def software(self, member: Member, cell: Cell) -> Mapping[str, str | None]:
        """What a cell's outcome would depend on there."""
        return member.greeting.software[member.greeting.of_cells[self._number[cell]]]

    def of(self, cell: Cell, turn: int) -> Place | None:
        """One for a cell, of several by turns; None where nobody is there."""
        alive = self._with_memory(self.fleet.alive)
        if not alive:
            return None
        if cell.target == "cpu":
            return self._timed(cell, self._complete(cell, alive), turn)
        pair, told = (cell.backend, cell.target), self.fleet.of_pairs
        rows = {name: row for name in alive if (row := told.get(name, {}).get(pair))}
        timed = [name for name, row in rows.items() if runs_here(row) and row.kind is Kind.MEASURED]
        if timed:
            return self._timed(cell, self._complete(cell, timed), turn)
        runs = [name for name, row in rows.items() if runs_here(row)]
        compiles = [name for name, row in rows.items() if row.device is not None]
        names = self._complete(cell, runs or compiles or alive)
        return self._untimed(names, turn, elsewhere=not runs)

    def _complete(self, cell: Cell, names: Sequence[str]) -> list[str]:
        """Those of some nodes that lack the fewest of the packages that a cell depends on."""
        lacking = {name: list(self.software(self.fleet.members[name], cell).values()).count(None) for name in names}
        return [name for name in names if lacking[name] == min(lacking.values())]

    def _with_memory(self, alive: Mapping[str, Member]) -> list[str]:
        """Those that have what a cell may take; Refused where none ever will, which Ray would not say."""
        least = self.fleet.within.memory_bytes
        if least is None or not alive:
            return [*alive]
        sizes = {name: one.node.has("memory") for name, one in alive.items()}
        if max(sizes.values()) < least:
            raise Refused(
                f"--memory: expected at most what a node has, {size(int(max(sizes.values())))}, got {size(least)}"
            )
        return [name for name, most in sizes.items() if most >= least]

    def _untimed(self, names: Sequence[str], turn: int, *, elsewhere: bool) -> Place:
        """A core; where --threads is said as many cells at a time on a machine as without a fleet."""
        cores = {name: self.fleet.members[name].node.has("CPU") for name in names}
        threads, takes = self.fleet.within.threads, 1.0
        if threads is not None:
            many = cores[names[turn % len(names)]]
            names, takes = [name for name in names if cores[name] == many], max(1.0, many // threads)
        most = sum(int(cores[name] // takes) for name in names)
        return Place(tuple(names), (("num_cpus", takes), *self._memory()), elsewhere, True, _AHEAD * most)

    def _timed(self, cell: Cell, names: Sequence[str], turn: int) -> Place:
        """A machine as a whole, so that nothing of ours is beside what is timed: all its cores, and a device."""
        nodes = {name: self.fleet.members[name].node for name in names}
        whole = _WHOLE.get(cell.target.platform)
        sizes = {name: (node.has("CPU"), node.has(whole) if whole else 0.0) for name, node in nodes.items()}
        cores, devices = sizes[names[turn % len(names)]]
        alike = tuple(name for name in names if sizes[name] == (cores, devices))
        needs: list[tuple[str, float | tuple[tuple[str, float], ...]]] = [("num_cpus", cores), *self._memory()]
        if cell.target.platform in _GPUS:
            needs.append(("num_gpus", 1.0))
        if whole and devices:
            needs.append(("resources", ((whole, devices),)))
        return Place(alike, tuple(needs), False, False, _AHEAD * len(alike))

    def _memory(self) -> list[tuple[str, float]]:
        memory = self.fleet.within.memory_bytes
        return [] if memory is None else [("memory", float(memory))]
