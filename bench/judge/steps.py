"""What a compiler's output says of each step of the block, whatever the toolchain: a row for each set of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneblock.compilers.api.facts import Facts
from oneblock.workloads.ops.definitions import STEPS

NONE = "none"  # what no step claims


@dataclass
class StepRow:
    """The figures of a step, summed over its operations or kernels; None where this toolchain does not tell."""

    steps: tuple[str, ...]  # a fused function may be of several; () is of none
    operations: int | None = None
    kernels: int | None = None
    flops: float | None = None
    hbm_bytes: float | None = None
    registers: int | None = None  # of one thread, the most of any kernel
    on_chip_bytes: int | None = None  # shared memory of a block, or SBUF of a partition; the most of any kernel
    cycles: float | None = None
    seconds: float | None = None
    how: set[str] = field(default_factory=set)  # what the cycles or seconds are of

    @property
    def name(self) -> str:
        """As the page calls it."""
        return " + ".join(self.steps) or NONE

    def add(self, **figures: Any) -> None:
        """Add to sums; a figure that is None is not known and changes nothing."""
        for name, value in figures.items():
            if value is not None:
                setattr(self, name, (getattr(self, name) or 0) + value)

    def most(self, **figures: Any) -> None:
        """Raise figures of which only the largest tells something."""
        for name, value in figures.items():
            if value is not None:
                setattr(self, name, max(getattr(self, name) or 0, value))


def by_step(facts: Facts) -> list[StepRow]:
    """The rows in the block's order, what is of no step last."""
    rows: dict[tuple[str, ...], StepRow] = {}

    def row(steps: Sequence[str | None]) -> StepRow:
        key = tuple(sorted({one for step in steps if step for one in step.split("+")}, key=_place))
        return rows.setdefault(key, StepRow(key))

    for one in facts.steps:
        of = row([one.step])
        of.add(operations=one.operations, flops=one.flops, hbm_bytes=one.hbm_bytes, cycles=one.cycles)
        of.how |= {"XLA's cost model"} if one.cycles is not None else set()
    _kernels(facts, row)
    return sorted(rows.values(), key=lambda one: (not one.steps, [_place(step) for step in one.steps]))


def _kernels(facts: Facts, row: Any) -> None:
    for kernel in facts.kernels:
        row([kernel.step]).add(kernels=1)
    for launch in facts.gpu_kernels:
        of, modelled = row([launch.step]), launch.modelled_s.get("static")
        of.add(kernels=1, seconds=modelled)
        of.most(registers=launch.registers, on_chip_bytes=launch.shared_bytes)
        if not facts.steps:
            of.add(flops=launch.declared_flops, hbm_bytes=launch.declared_bytes)
        of.how |= {"static model of the kernels"} if modelled is not None else set()
    for call in facts.tir_calls:
        row(call.steps).add(kernels=1, flops=call.flops)
    _neuron(facts, row)


def _neuron(facts: Facts, row: Any) -> None:
    for call in facts.neuron_calls:
        of, counted = row([call.step]), not facts.steps  # the facts' own steps hold the same counts
        of.add(kernels=1, seconds=call.modelled_s)
        of.most(on_chip_bytes=call.sbuf_bytes)
        if counted:
            of.add(operations=sum(call.instructions.values()), flops=call.flops, hbm_bytes=call.dma_bytes)
        of.how.add("timeline of the engines")


COLUMNS = {  # field: (heading, unit, by what it is multiplied, kind; "" is that of the facts)
    "operations": ("operations", "", 1.0, ""),
    "kernels": ("kernels", "", 1.0, ""),
    "flops": ("MFLOP", "", 1e-6, ""),
    "hbm_bytes": ("HBM", "MB", 1e-6, ""),
    "registers": ("registers", "", 1.0, ""),
    "on_chip_bytes": ("on chip", "kB", 1e-3, ""),
    "cycles": ("cycles", "", 1.0, "modelled"),
    "seconds": ("time", "µs", 1e6, "modelled"),
}


def table(facts: Facts) -> dict[str, Any] | None:
    """The rows for the page, with only the columns that any row fills, each with its kind; None without rows."""
    rows = by_step(facts)
    shown = [name for name in COLUMNS if any(getattr(row, name) is not None for row in rows)]
    if not shown:
        return None
    columns = [(_heading(name, facts), COLUMNS[name][1], COLUMNS[name][3] or facts.kind) for name in shown]
    cells = [[_scaled(row, name) for name in shown] for row in rows]
    how = sorted(set().union(*(row.how for row in rows)))
    return {"columns": columns, "rows": [[row.name, *row_] for row, row_ in zip(rows, cells, strict=True)], "how": how}


def _heading(name: str, facts: Facts) -> str:
    """On chip there is SBUF (of a partition) or shared memory (of a block)."""
    if name == "on_chip_bytes":
        return "SBUF" if facts.neuron_calls else "shared"
    return COLUMNS[name][0]


def _scaled(row: StepRow, name: str) -> float | None:
    value = getattr(row, name)
    return None if value is None or value != value else float(f"{value * COLUMNS[name][2]:.4g}")


def counted(codes: Iterator[tuple[tuple[str, ...], bool]]) -> dict[str, list[int]]:
    """(lines, operations) of each step in a text; a line of several steps counts for each."""
    lines, operations = Counter[str](), Counter[str]()
    for steps, is_one in codes:
        for step in steps or (NONE,):
            lines[step] += 1
            operations[step] += is_one
    return {step: [lines[step], operations[step]] for step in (*STEPS, NONE) if lines[step]}


def _place(step: str) -> int:
    return STEPS.index(step) if step in STEPS else len(STEPS)
