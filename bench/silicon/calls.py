"""Calls that the kit measured on a processor, and the form of their model, which that machine's own limits fill.

    seconds = call + step * steps + (compute^overlap + memory^overlap)^(1 / overlap)
    compute = FLOPs / (peak * flops_share), memory = bytes / (bandwidth * bandwidth_share)

Peak and bandwidth are what the machine was measured to reach at best, which every record has. What a call costs has
two parts: once, and for each step of the program, which a backend may start by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np

from oneblock.bench.cells.cell import digest
from oneblock.bench.records.record import Costs, Record
from oneblock.bench.silicon.error import Error
from oneblock.bench.silicon.launches import Array, Limits


@dataclass(frozen=True)
class Calls:
    """Calls of cells, each an array (rows,)."""

    flops: Array
    nbytes: Array  #: the least that a call moves
    steps: Array
    cell: Array  #: numbers of what is computed: cells of equal ones tell of each other

    @classmethod
    def of_costs(cls, costs: Sequence[Costs]) -> Self:
        """Those of cells that have to do so much."""
        flops, nbytes = [float(one.flops) for one in costs], [float(one.compulsory_bytes) for one in costs]
        steps = [float(len(one.steps)) for one in costs]
        return cls(np.array(flops), np.array(nbytes), np.array(steps), np.arange(float(len(costs))))

    def of(self, which: Array) -> Self:
        """Some of them."""
        return replace(self, **{one.name: getattr(self, one.name)[which] for one in fields(self)})

    @property
    def group(self) -> Array:
        """(3, rows), by size."""
        return np.stack([self.flops, self.nbytes, self.cell])

    @property
    def model(self) -> type[Called]:
        """Its form."""
        return Called


@dataclass(frozen=True)
class CallNumbers:
    """What a backend reaches of the machine's limits, and what calls cost."""

    flops_share: float
    bandwidth_share: float
    call_us: float
    step_us: float
    overlap: float

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each, in order."""
        most = cls(10.0, 10.0, 1e5, 1e5, 20.0) if lifted else cls(1.0, 1.0, 1e4, 1e4, 20.0)
        return (0.001, 0.001, 0.0, 0.0, 1.0), (0.5, 0.5, 20.0, 5.0, 2.0), astuple(most)

    def at_bound(self, limits: Limits) -> list[str]:
        """Which share lies at its most."""
        near = 0.99
        shares = {"all of the peak": self.flops_share, "all of the bandwidth": self.bandwidth_share}
        return [what for what, value in shares.items() if value >= near]

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them."""
        return {
            "of peak": f"{self.flops_share:.2f}", "of bandwidth": f"{self.bandwidth_share:.2f}",
            "call, µs": f"{self.call_us:.0f}", "step, µs": f"{self.step_us:.1f}",
        }  # fmt: skip


class Called:
    """Calls on a machine of these limits."""

    numbers: ClassVar[type[CallNumbers]] = CallNumbers

    def __init__(self, of: Calls, limits: Limits) -> None:
        self.compute_s, self.memory_s = of.flops / limits.flops_per_s, of.nbytes / limits.bytes_per_s
        self.steps = of.steps

    @staticmethod
    def travels(limits: Limits) -> bool:
        """They are shares of what every machine measures of itself."""
        return True

    def seconds(self, numbers: CallNumbers) -> Array:
        """The formula, (rows,)."""
        p = numbers.overlap
        work_s = (self.compute_s / numbers.flops_share) ** p + (self.memory_s / numbers.bandwidth_share) ** p
        return np.asarray((numbers.call_us + numbers.step_us * self.steps) * 1e-6 + work_s ** (1 / p))


@dataclass(frozen=True)
class Way:
    """By which a machine's processor computes: calls of one tell of each other."""

    backend: str
    ops_set: str
    dtype: str
    processor: str
    machine: str  #: a digest of what a record says of it, since two of one processor may have other cores

    @classmethod
    def of(cls, record: Record) -> Self:
        """A record's."""
        cell, machine = record.cell, record.environment.machine
        return cls(cell.backend, cell.ops_set, cell.dtype, str(machine.get("cpu")), cls.digest_of(machine))

    @staticmethod
    def digest_of(machine: Mapping[str, str | int | None]) -> str:
        """Of what a record says of its machine."""
        return digest([machine])

    def __str__(self) -> str:
        return f"{self.backend} {self.ops_set} {self.dtype} on {self.processor}"


@dataclass(frozen=True)
class OwnTrial:
    """What the trial says of one way."""

    way: Way
    cells: int
    limits: Limits
    numbers: CallNumbers
    held_out: Error
    bare_median_log: float

    def seconds(self, calls: Calls) -> Array:
        """(range, rows): the middle, and the ends between which nine tenths of unseen calls lie. Kind: modelled."""
        middle = Called(calls, self.limits).seconds(self.numbers)
        return np.stack([middle, middle * self.held_out.low, middle * self.held_out.high])
