"""Each configuration's block as a picture: its steps, from where each reads, and the shapes of its arrays."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from oneblock import workloads
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study
from oneblock.workloads._form import Shape, Step, form
from oneblock.workloads.models import Config

_LINE, _PAD, _GAP = 16, 10, 26  # of a text line, above and below it in a box, between two boxes; in the SVG's units
_LANE = 16  # between two lines that pass boxes by
_WRAP = 76  # characters of a line beside a box


@dataclass(frozen=True)
class Box:
    """One row of the picture: a step, or at the ends what goes in and comes out."""

    name: str
    operations: str  # "" of an end
    beside: list[str]  # lines: the weights and inputs that it reads
    gives: str
    top: int
    height: int

    @property
    def middle(self) -> float:
        """Where lines go in and out at its side."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Line:
    """From one box to a later one, in a lane of its own at their left; lane 0: straight down to the next."""

    start: Box
    end: Box
    lane: int

    @property
    def x(self) -> int:
        """How far left of the boxes."""
        return -_LANE * self.lane


@dataclass(frozen=True)
class Picture:
    """The form of a row's case, drawn."""

    row: Row
    boxes: list[Box]
    lines: list[Line]

    @property
    def left(self) -> int:
        """What the widest lane takes."""
        return _LANE * (1 + max((line.lane for line in self.lines), default=0))

    @property
    def height(self) -> int:
        """Of all of it, with what the last one gives."""
        return self.boxes[-1].top + self.boxes[-1].height + _GAP


def build(study: Study) -> list[Picture] | None:
    """One picture of each workload, configuration and phase, at the first size on the page; None without any.

    A workload of another package is not asked, and sizes that NumPy has no array of have no picture: a page is made of
    records, whoever wrote them.
    """
    others = workloads.registered().points
    found: dict[tuple[str, Config, str], Row] = {}
    for row, *_ in study.groups:
        case = row.record.cell.case
        if case.workload not in others:
            found.setdefault((case.workload, case.config, case.phase), row)
    pictures = []
    for row in found.values():
        with suppress(ValueError):
            pictures.append(_picture(row))
    return pictures or None


def _picture(row: Row) -> Picture:
    case = row.record.cell.case
    workload = workloads.load(case.workload)
    steps = form(workload, case)
    main = workload.main_input
    boxes: dict[str, Box] = {}
    top = 0
    for name, operations, beside, gives in _rows(steps, main, workload.specs(case)[main].shape):
        height = 2 * _PAD + _LINE * max(2 if operations else 1, len(beside))
        boxes[name] = Box(name, operations, beside, gives, top, height)
        top += height + _GAP
    return Picture(row, list(boxes.values()), list(_lines(steps, boxes)))


def _rows(steps: Sequence[Step], main: str, shape: Shape) -> Iterator[tuple[str, str, list[str], str]]:
    """(name, operations, lines beside it, what it gives) of the input, of each step, and of the output."""
    yield main, "", [], _sizes(shape)
    for step in steps:
        inputs = {name: size for name, size in step.reads if name not in {main, *(one.name for one in steps)}}
        beside = [*step.settings, *_weights(step.weights), *(f"{name} {_sizes(size)}" for name, size in inputs.items())]
        lines = textwrap.wrap(" · ".join(beside), _WRAP, break_long_words=False) if beside else []
        yield step.name, _counted(step.operations), lines, "  ".join(map(_sizes, dict.fromkeys(step.gives)))


def _weights(weights: Mapping[str, Shape]) -> Iterator[str]:
    """ "q 64×64 + bias": a projection or norm with its bias is one."""
    for name, shape in weights.items():
        stem, _, kind = name.rpartition("_")
        if kind == "bias" and f"{stem}_weight" in weights:
            continue
        biased = " + bias" if kind == "weight" and f"{stem}_bias" in weights else ""
        yield f"{stem if kind == 'weight' else name} {_sizes(shape)}{biased}"


def _counted(operations: Sequence[str]) -> str:
    """ "linear ×3, swiglu"."""
    counts = {name: operations.count(name) for name in dict.fromkeys(operations)}
    return ", ".join(name if many == 1 else f"{name} ×{many}" for name, many in counts.items())


def _sizes(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _lines(steps: Sequence[Step], boxes: Mapping[str, Box]) -> Iterator[Line]:
    """Straight where the step before is read; others pass by in the nearest lane that is free between their ends."""
    order = list(boxes)
    taken: dict[int, list[tuple[int, int]]] = {}
    for step in steps:
        for source in dict.fromkeys(name for name, _ in step.reads if name in boxes):
            first, last = order.index(source), order.index(step.name)
            lane = 0
            if last > first + 1:
                lane = next(n for n in range(1, 99) if all(b <= first or last <= a for a, b in taken.get(n, ())))
                taken.setdefault(lane, []).append((first, last))
            yield Line(boxes[source], boxes[step.name], lane)


SECTION = Section("What was computed", "form", 29, build, contents="Form")
