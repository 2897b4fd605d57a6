"""The largest that fits, against memories of every size: no compiler is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.runs import fit
from oneblock.bench.worker.launch import Bounds
from tests.helpers.cases import case

CELL = Cell(case("norm", n=128), "float32", "xla_tpu", "plain", Target("tpu", "v5e"))
STEPS = {"batch": 1, "context": 128}


def searched(monkeypatch: pytest.MonkeyPatch, axis: str, fits: Callable[[int], bool | None]) -> tuple[fit.Fit, int]:
    """What is found where `fits` tells of a size, and how often it was asked."""
    asked = []

    def answer(cell: Cell, *_: Any) -> bool | None:
        asked.append(cell.case.B if axis == "batch" else cell.case.S)
        return fits(asked[-1])

    monkeypatch.setattr(fit, "_fits", answer)
    monkeypatch.setattr(fit, "not_run_here", lambda pairs, bounds: set(pairs))
    found = fit.fit(CELL, axis, Bounds(threads=1, timeout_s=1.0, memory_bytes=1), lambda cell, what: None)
    assert len(set(asked)) == len(asked), "a size was compiled twice"
    return found, len(asked)


@pytest.mark.parametrize("axis", ["batch", "context"])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 8, 31, 1000])
def test_the_largest_that_fits_and_its_neighbour_are_found(
    monkeypatch: pytest.MonkeyPatch, axis: str, most: int
) -> None:
    step = STEPS[axis]
    found, asked = searched(monkeypatch, axis, lambda n: n <= most * step)
    assert found == fit.Fit(fit.sized(CELL, axis, most * step), fit.sized(CELL, axis, (most + 1) * step))
    assert asked <= 2 * most.bit_length()


@pytest.mark.parametrize("axis", ["batch", "context"])
def test_where_nothing_fits_or_everything_there_is_one_cell(monkeypatch: pytest.MonkeyPatch, axis: str) -> None:
    assert searched(monkeypatch, axis, lambda n: False)[0] == fit.Fit(None, fit.sized(CELL, axis, STEPS[axis]))
    assert searched(monkeypatch, axis, lambda n: True)[0].fails is None


def test_an_answer_that_is_about_something_else_ends_the_search_at_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = searched(monkeypatch, "batch", lambda n: True if n < 4 else None)
    assert (found, asked) == (fit.Fit(None, fit.sized(CELL, "batch", 4)), 3)
