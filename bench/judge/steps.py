"""What a compiler's output says of each step of the block, whatever the toolchain: a row for each set of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from oneblock.compilers.api.call import Call
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind
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

    def add(self, **figures: float | None) -> None:
        """Add to sums; a figure that is None is not known and changes nothing."""
        for name, value in figures.items():
            if value is not None:
                setattr(self, name, (getattr(self, name) or 0) + value)

    def most(self, **figures: float | None) -> None:
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
    for call in facts.calls:
        _add(row(call.steps), call, counted=not facts.steps)  # else the facts' own steps hold the same counts
    return sorted(rows.values(), key=lambda one: (not one.steps, [_place(step) for step in one.steps]))


def _add(row: StepRow, call: Call, *, counted: bool) -> None:
    row.add(kernels=1)
    row.most(registers=call.registers, on_chip_bytes=call.on_chip_bytes)
    if counted:
        row.add(operations=call.operations, flops=call.flops, hbm_bytes=call.hbm_bytes)
    for model in MODELS.keys() & call.modelled_s:
        row.add(seconds=call.modelled_s[model])
        row.how.add(MODELS[model])


MODELS = {"static": "static model of the kernels", "timeline": "timeline of the engines"}  # whose times may be summed
COLUMNS: dict[str, tuple[str, str, float, Kind | None]] = {  # field: (heading, unit, scale, kind; None: the facts')
    "operations": ("operations", "", 1.0, None),
    "kernels": ("kernels", "", 1.0, None),
    "flops": ("MFLOP", "", 1e-6, None),
    "hbm_bytes": ("HBM", "MB", 1e-6, None),
    "registers": ("registers", "", 1.0, None),
    "on_chip_bytes": ("on chip", "kB", 1e-3, None),
    "cycles": ("cycles", "", 1.0, Kind.MODELLED),
    "seconds": ("time", "µs", 1e6, Kind.MODELLED),
}


@dataclass(frozen=True)
class StepTable:
    """The rows for the page, with only the columns that any row fills."""

    columns: tuple[tuple[str, str, Kind], ...]  # heading, unit, kind
    rows: tuple[tuple[str | float | None, ...], ...]  # the step's name, then its figures
    how: tuple[str, ...]  # what cycles and times are of


def table(facts: Facts) -> StepTable | None:
    """The figures of each step; None where there are none."""
    rows = by_step(facts)
    shown = [name for name in COLUMNS if any(getattr(row, name) is not None for row in rows)]
    if not shown:
        return None
    heads = {name: COLUMNS[name][0] for name in shown} | {"on_chip_bytes": facts.called.on_chip}
    columns = tuple((heads[name], COLUMNS[name][1], COLUMNS[name][3] or facts.kind) for name in shown)
    cells = tuple((row.name, *(_scaled(row, name) for name in shown)) for row in rows)
    return StepTable(columns, cells, tuple(sorted(set().union(*(row.how for row in rows)))))


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
