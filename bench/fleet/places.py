"""Where a cell may be done: on which nodes what it needs is installed, and what of them it takes there.

Which of those it is, and when, is Ray's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oneblock.bench.cells.cell import Cell
from oneblock.bench.fleet.fleet import Fleet, Member
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
        alive = self.fleet.alive
        lacking = {name: list(self.software(one, cell).values()).count(None) for name, one in alive.items()}
        names = [name for name in alive if lacking[name] == min(lacking.values())]
        if not names:
            return None
        if cell.target == "cpu":
            return self._timed(cell, names, turn)
        pair, told = (cell.backend, cell.target), self.fleet.of_pairs
        rows = {name: row for name in names if (row := told.get(name, {}).get(pair))}
        timed = [name for name, row in rows.items() if runs_here(row) and row.kind is Kind.MEASURED]
        if timed:
            return self._timed(cell, timed, turn)
        runs = [name for name, row in rows.items() if runs_here(row)]
        compiles = [name for name, row in rows.items() if row.device is not None]
        return self._untimed(runs or compiles or names, elsewhere=not runs)

    def _untimed(self, names: Sequence[str], *, elsewhere: bool) -> Place:
        cores = sum(int(self.fleet.members[name].node.has("CPU")) for name in names)
        return Place(tuple(names), (("num_cpus", 1.0), *self._memory()), elsewhere, True, _AHEAD * cores)

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
