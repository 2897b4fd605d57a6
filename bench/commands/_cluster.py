"""What `doctor --on` says: one table of a cluster, a line for each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.fleet.fleet import Fleet, Member
from oneblock.bench.format.units import size
from oneblock.bench.records.record import Environment
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.screen import console


@dataclass(frozen=True)
class NodeSays:
    """What one node has."""

    name: str
    address: str
    resources: dict[str, float]  # as Ray counts them
    clock_ahead_s: float
    free_bytes: int
    backends: Sequence[PlatformProbe]
    environment: Environment


@dataclass(frozen=True)
class ClusterSays:
    """The nodes that take part, and why the others do not."""

    on: str
    ray: str | None
    nodes: tuple[NodeSays, ...]
    refused: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether any node has anything to say of any backend."""
        return any(row.device is not None or row.elsewhere for node in self.nodes for row in node.backends)


def asked(fleet: Fleet, names: Sequence[str]) -> ClusterSays:
    """Ask each node what it has of some backends."""
    fleet.greet()
    fleet.required()
    rows = fleet.probe(fleet.alive, names)
    nodes = tuple(_node(one, rows[name]) for name, one in fleet.alive.items() if name in rows)
    return ClusterSays(fleet.cluster.on, fleet.cluster.ray, nodes, tuple(fleet.refused.values()))


def _node(member: Member, rows: Sequence[PlatformProbe]) -> NodeSays:
    greeting, node = member.greeting, member.node
    counted = {name: count for name, count in node.resources.items() if not name.startswith("node:")}
    return NodeSays(
        greeting.name, node.address, counted, round(member.ahead_s, 1), greeting.free_bytes, rows, greeting.environment
    )


def show(said: ClusterSays) -> None:
    """The table, then who is left out."""
    table = Table(title=f"{said.on}, Ray {said.ray}", title_justify="left", title_style="bold")
    for column in ("node", "machine", "cores", "devices", "runs here", "compiles or interprets", "not here", "disk"):
        table.add_column(column, overflow="fold")
    for node in said.nodes:
        table.add_row(*map(Text, _cells(node)))
    out = console()
    out.print(table)
    for why in said.refused:
        out.print(Text(f"left out  {why}", style="yellow"))


def _cells(node: NodeSays) -> list[str]:
    machine = node.environment.machine
    devices = {name: n for name, n in node.resources.items() if name in ("GPU", "TPU", "neuron_cores")}
    runs = [f"{row.backend} {row.platform}" for row in node.backends if row.device is not None]
    other = {row.backend: len(row.elsewhere) for row in node.backends if row.elsewhere}
    works = {row.backend for row in node.backends if row.device is not None or row.elsewhere}
    absent = dict.fromkeys(row.backend for row in node.backends if row.backend not in works)
    clock = f", clock {node.clock_ahead_s:+.0f} s" if abs(node.clock_ahead_s) > 1 else ""
    return [
        f"{node.name} ({node.address})",
        f"{machine['cpu']}, {machine['memory_gib']} GiB, Python {node.environment.software['python']}{clock}",
        f"{node.resources.get('CPU', 0):g}",
        ", ".join(f"{n:g} {name}" for name, n in devices.items()) or "none",
        ", ".join(runs),
        ", ".join(f"{name} for {n}" for name, n in other.items()),
        ", ".join(absent),
        f"{size(node.free_bytes)} free",
    ]
