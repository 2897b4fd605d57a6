"""Entries of compiled programs: estimates by method, exchanges by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from oneblock.bench.cost.tried import estimates
from oneblock.bench.judge.estimates import Method
from oneblock.bench.report.rows.calls import PageCalls, page_calls
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.terminal.programs import own_kernels
from oneblock.compilers.api.facts import Collective, Estimate, Facts
from oneblock.compilers.api.traffic import ArrayTraffic, by_array


@dataclass(frozen=True)
class Entry:
    """One compiled row with its facts."""

    row: Row
    facts: Facts
    label: str  # as short as tells it from the others of its subject

    @cached_property
    def chips(self) -> int:
        """How many devices the program runs on."""
        return self.row.record.cell.target.devices

    @cached_property
    def estimates(self) -> dict[Method, Estimate]:
        """By method."""
        return estimates(self.row.record)

    @property
    def own_kernels(self) -> int:
        """Calls of kernels that the compiler did not write, whose FLOPs it cannot count."""
        return own_kernels(self.facts)

    @property
    def kernels(self) -> int | None:
        """What it launches, where that is known; else the kernels of one's own. None for none."""
        return len(self.facts.launches) or self.own_kernels or None

    @property
    def calls(self) -> list[PageCalls]:
        """What it starts, a table for each sort of call."""
        return page_calls(self.facts)

    @cached_property
    def traffic(self) -> list[ArrayTraffic]:
        """HBM traffic by array, the largest first; nothing where the text does not tell it."""
        return by_array(self.facts.traffic.transfers) if self.facts.traffic is not None else []

    @property
    def of_formula(self) -> float | None:
        """FLOPs of all devices as a share of the formula's."""
        flops, least = self.facts.flops, self.row.record.costs.flops
        return flops * self.chips / least if flops is not None and least else None

    @property
    def compulsory_bytes(self) -> int | None:
        """What must cross HBM at the least; None for several devices, which hold some arrays more than once."""
        return (self.row.record.costs.compulsory_bytes or None) if self.chips == 1 else None

    @property
    def of_least(self) -> float | None:
        """HBM traffic as a multiple of the compulsory."""
        least, traffic = self.compulsory_bytes, self.facts.hbm_bytes
        return traffic / least if traffic is not None and least else None


@dataclass(frozen=True)
class Exchange:
    """Collectives that are alike, counted together."""

    entry: Entry
    collective: Collective
    count: int
