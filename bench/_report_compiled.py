"""The report's view of what was compiled for a device that is elsewhere, and of programs that do not fit one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from oneblock.backends._backend import Kind
from oneblock.bench._compiled_tables import ESTIMATES, devices, estimates, ledger, own_kernels
from oneblock.bench._gpu_tables import has_kernels
from oneblock.bench._plots import Plot, Plots
from oneblock.bench._report import Row
from oneblock.bench._report_text import plain
from oneblock.compilers._facts import Collective, Estimate, Facts, GpuKernel, Memory

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
    def chips(self) -> int | None:
        """How many devices the program runs on; None where the record's target is one that this version lacks."""
        try:
            return devices(self.row.record)
        except LookupError:
            return None

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
        """Kernels launched on a GPU; elsewhere those of one's own. None for none."""
        return len(self.facts.gpu_kernels) or self.own_kernels or None

    @property
    def gpu_kernels(self) -> tuple[GpuKernel, ...]:
        """The launches in order, where the record tells what their kernels need of a multiprocessor."""
        return self.facts.gpu_kernels if has_kernels(self.row.record) else ()

    @property
    def of_formula(self) -> float | None:
        """FLOPs of all devices as a share of the formula's."""
        flops, least = self.facts.flops, self.row.record.costs.flops
        known = flops is not None and self.chips is not None and least
        return flops * self.chips / least if known else None  # type: ignore[operator]

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


@dataclass(frozen=True)
class Subject:
    """The compiled rows of one subject, tier and machine, and their plots; None where there is nothing to plot."""

    number: int  # among the page's subjects, from 1
    entries: tuple[Entry, ...]
    times: Plot | None
    traffic: Plot | None
    slots: tuple[tuple[Entry, Plot], ...]
    occupancies: Plot | None

    @property
    def methods(self) -> list[Method]:
        """Those that have an answer for any row, or say why they have none."""
        seen = {name for entry in self.entries for name in entry.estimates}
        return [method(name) for name in _in_order(seen)]

    @property
    def exchanges(self) -> list[Exchange]:
        """The ledger of collectives, in the order in which they are scheduled."""
        return [Exchange(entry, one, count) for entry in self.entries for one, count in ledger(entry.facts).items()]

    @property
    def caveats(self) -> dict[str, list[str]]:
        """The rows that each caveat is of."""
        return _once((caveat, entry.label) for entry in self.entries for caveat in entry.facts.caveats)

    @property
    def hows(self) -> dict[str, list[str]]:
        """The rows of which each estimate came about so."""
        said = ((e.label, name, one.how) for e in self.entries for name, one in e.estimates.items())
        return _once((f"{name}: {how}", label) for label, name, how in said)


@dataclass(frozen=True)
class Unfit:
    """A row whose program does not fit its target."""

    row: Row
    memory: Memory

    @property
    def times_over(self) -> float | None:
        """Needed as a multiple of available."""
        needed, available = self.memory.needed_bytes, self.memory.available_bytes
        return needed / available if needed is not None and available else None


def subjects(groups: Sequence[Sequence[Row]], plots: Plots) -> list[Subject]:
    """The page's subjects that have compiled rows with facts, each with its plots."""
    from oneblock.bench._plots_compiled import occupancies, slots, times, traffic

    found = [(number, entries) for number, group in enumerate(groups, 1) if (entries := _entries(group))]
    names = {name for _, entries in found for entry in entries for name in entry.estimates}
    colours = [*ESTIMATES, *_in_order(names - set(ESTIMATES))]  # a method has the same colour in all plots and pages
    made = []
    for number, entries in found:
        pair, heats = (times(plots, entries, colours), traffic(plots, entries)), [slots(plots, one) for one in entries]
        having = tuple((entry, heat) for entry, heat in zip(entries, heats, strict=True) if heat)
        made.append(Subject(number, entries, *pair, having, occupancies(plots, entries)))
    return made


def unfit(rows: Sequence[Row]) -> list[Unfit]:
    """The newest rows that ran out of memory and say of how much."""
    return [Unfit(row, row.record.memory) for row in rows if row.newest and row.record.memory is not None]


def methods(found: Sequence[Subject]) -> list[Method]:
    """Every method of the page once."""
    names = _in_order({one.name for subject in found for one in subject.methods})
    return [method(name) for name in names]


def method(name: str) -> Method:
    """A method by the name that records give it; one that this version does not know is explained by its `how`."""
    kind = Kind.MODELLED if name == "roofline" else Kind.COMPILED
    return Method(name, kind.value, METHODS.get(name, "as its record says"))


def _entries(group: Sequence[Row]) -> tuple[Entry, ...]:
    rows = sorted((row for row in group if row.counted), key=_place)
    told = [0, *(part for part in (1, 2) if len({_place(row)[part] for row in rows}) > 1)]  # the target is always said
    labels = [plain(" ".join(_place(row)[part] for part in told)) for row in rows]
    return tuple(
        Entry(row, row.record.facts, label) for row, label in zip(rows, labels, strict=True) if row.record.facts
    )


def _in_order(names: set[str]) -> list[str]:
    return [*(name for name in ESTIMATES if name in names), *sorted(names - set(ESTIMATES))]


def _place(row: Row) -> tuple[str, str, str]:
    backend, ops_set, target = row.labels
    return target, backend, ops_set


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text, label in pairs:
        found.setdefault(text, []).append(label)
    return found
