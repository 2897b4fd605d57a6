"""The bytes a cell must move and the memory its reference needs are of what its workload states, whoever wrote it."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.roofline import costs, reference_bytes
from oneblock.bench.records.record import Status
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.workloads._workload import Case, Phase, Workload
from tests.helpers.cases import ALL, TINY, case, name

CELL = Cell(case("norm"), "float32", "reference", "plain", Target("cpu"))
C = TINY.width


def shapes(of: Case) -> dict[str, tuple[int, ...]]:
    """The last row of each sequence."""
    return {"row": (of.B, of.config.width)}


NORM = workloads.load("norm")
PROGRAM = NORM.program
ROWS = replace(
    NORM, name="rows", outputs=shapes,
    program=lambda ops, of, a: {"row": PROGRAM(ops, of, a)["y"][:, -1]},
    specs=lambda of: {**NORM.specs(of), "page_cache": NORM.specs(of)["x"]},
)  # fmt: skip


def of(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setattr(workloads, "load", lambda name: {workload.name: workload}[name])
    return replace(CELL, case=replace(CELL.case, workload=workload.name))


@pytest.mark.parametrize("c", ALL, ids=name)
def test_the_bytes_of_ours_are_their_arrays_y_and_in_decode_a_token_of_the_caches(c: Case) -> None:
    specs = workloads.load(c.workload).specs(c)
    elements = sum(prod(spec.shape) for spec in specs.values())
    if c.phase is Phase.DECODE and c.workload in ("attention", "block"):
        elements += 2 * c.B * c.config.kv_heads * c.config.head_width  # one token of each cache
    found = costs(c, "bfloat16").compulsory_bytes
    assert found == 2 * (elements + c.B * c.T * c.config.width)


def test_of_a_window_a_decode_reads_what_it_sees() -> None:
    whole, window = case("attention", TINY, Phase.DECODE, n=64), replace(TINY, window=16)
    seen = replace(whole, config=window)
    each = whole.B * TINY.kv_heads * TINY.head_width  # of a slot
    assert costs(whole, "bfloat16").compulsory_bytes - costs(seen, "bfloat16").compulsory_bytes == 2 * 2 * each * 48


def test_the_outputs_of_a_workload_are_those_that_it_states(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = of(ROWS, monkeypatch)
    x = cell.case.B * cell.case.T * C
    assert costs(cell.case, cell.dtype).compulsory_bytes == 4 * (x + C + x + cell.case.B * C), (
        "x, weight, page_cache and the row"
    )


def test_a_workload_that_attends_needs_room_for_its_scores_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attention = replace(CELL, case=case("attention"))
    needs = reference_bytes(attention.case, attention.dtype)
    same = of(replace(workloads.load("attention"), name="mine"), monkeypatch)
    assert reference_bytes(replace(attention.case, workload="mine"), same.dtype) == needs
    assert needs > 2 * 8 * attention.case.B * attention.case.config.heads * attention.case.T * attention.case.S


def test_outputs_that_the_program_does_not_give_are_no_ground_for_a_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("oneblock.bench.worker.reference_job.emit", lambda event, **fields: None)
    wrong = replace(ROWS, outputs=NORM.outputs)
    outcome = ReferenceJob(of(wrong, monkeypatch), str(tmp_path / "reference.npz"), 2).do()
    assert outcome.status is Status.INVALID
    assert outcome.reason is not None
    assert outcome.reason.startswith("rows states the outputs {'y': ")
    assert not (tmp_path / "reference.npz").exists()
    right = ReferenceJob(of(ROWS, monkeypatch), str(tmp_path / "reference.npz"), 2).do()
    assert right.status is Status.PASSED, right.reason
