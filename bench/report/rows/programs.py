"""Entries of compiled programs: estimates by method, exchanges by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from oneblock.bench.report.rows.calls import PageCalls, page_calls
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.terminal.programs import ESTIMATES, devices, estimates, own_kernels
from oneblock.compilers.api.facts import Collective, Estimate, Facts
from oneblock.compilers.api.kind import Kind

METHODS = {
    "roofline": "the larger of FLOPs / peak and compulsory bytes / bandwidth, of the chip's specification",
    "xla": "XLA's optimal_seconds: the sum over operations of the larger of FLOPs / peak and bytes / bandwidth, with "
    "VMEM counted as HBM; repaired where operations without an estimate counted as −1 s",
    "hlo": "the cycles that XLA's cost model writes on each scheduled operation, at the clock that the peak implies",
    "llo": "the larger of the cycles of a static simulation of the instructions and the time of the HBM traffic",
    "xla-triton": "the sum of XLA's models of its own kernels, with the tiles it starts from: no device, no autotuner",
    "xla-cublas": "the same sum with the products left to cuBLAS, as XLA models those",
    "static": "the sum over our kernels of the formula that ranks their configurations: roofline, wave tails, L2 port, "
    "bytes in flight; launches of PyTorch's own are left out",
}


@dataclass(frozen=True)
class Method:
    """A way to estimate, and what sort of evidence it gives."""

    name: str
    kind: str
    words: str


@dataclass(frozen=True)
class Entry:
    """One compiled row with its facts."""

    row: Row
    facts: Facts
    label: str  # as short as tells it from the others of its subject

    @cached_property
    def chips(self) -> int:
        """How many devices the program runs on."""
        return devices(self.row.record)

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """By method; no roofline of several devices, since its formula knows no exchange."""
        found = estimates(self.row.record)
        return {name: found[name] for name in _in_order(set(found)) if name != "roofline" or self.chips == 1}

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


def method(name: str) -> Method:
    """A method by the name that records give it; one that this version does not know is explained by its `how`."""
    kind = Kind.MODELLED if name == "roofline" else Kind.COMPILED
    return Method(name, kind.value, METHODS.get(name, "as its record says"))


def _in_order(names: set[str]) -> list[str]:
    return [*(name for name in ESTIMATES if name in names), *sorted(names - set(ESTIMATES))]
