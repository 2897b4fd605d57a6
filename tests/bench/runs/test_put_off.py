"""A cell that others disturbed: it comes back at the end of the round, once, and then has no time and its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.records.disturbance import Disturbance
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs import measuring
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.run import Run
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import Bounds
from oneblock.bench.worker.measure_job import Measurement
from oneblock.bench.worker.reference_job import Proof
from oneblock.compilers.api.kind import Kind
from tests.bench.runs.test_partials import LAUNCH
from tests.helpers.cases import case

_SEEN = Disturbance("run delay and canary", 1, (0.3, 0.4), (), 1.0, 0.0, 0.0, None, None)
_DISTURBED = Outcome(Status.DISTURBED, Kind.MEASURED, "cpu", "others had it", result=Measurement(disturbance=_SEEN))
_TIMED = Outcome(Status.PASSED, Kind.MEASURED, "cpu", result=Measurement(launch=LAUNCH))
CELLS = [Cell(case("norm"), dtype, "reference", "plain", Target("cpu")) for dtype in ("float32", "bfloat16")]


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The dtypes of the cells that were launched, in order; the machine's limits are not learnt."""
    monkeypatch.setattr(CeilingCache, "measure_missing", lambda *_: None)
    known = measuring.Reference(Outcome(Status.PASSED, result=Proof(1)))
    monkeypatch.setattr(measuring.References, "of", lambda *_: known)
    return []


def go(monkeypatch: pytest.MonkeyPatch, launches: list[str], folder: Path, answers: dict[str, Iterator[Any]]) -> Run:
    def measure(job: Any, *_: Any) -> Outcome[Measurement]:
        launches.append(job.cell.dtype)
        return next(answers[job.cell.dtype])

    monkeypatch.setattr(measuring, "measure", measure)
    made = Run(CELLS, TIERS["smoke"], Store(folder), Bounds(1, 10.0, 2**30))
    made.go(lambda _: None)
    return made


def test_it_comes_back_after_the_others_and_may_be_timed_then(
    monkeypatch: pytest.MonkeyPatch, launches: list[str], tmp_path: Path
) -> None:
    answers = {"float32": iter([_DISTURBED, _TIMED]), "bfloat16": iter([_TIMED])}
    made = go(monkeypatch, launches, tmp_path, answers)
    assert sorted(launches) == ["bfloat16", "float32", "float32"]
    assert launches[-1] == "float32", "not at once: the other cell comes first"
    assert [made.finished[cell].status for cell in CELLS] == [Status.PASSED, Status.PASSED]
    assert made.progress.launches == made.progress.planned == 2


def test_twice_disturbed_has_no_time_and_says_who_had_the_machine(
    monkeypatch: pytest.MonkeyPatch, launches: list[str], tmp_path: Path
) -> None:
    answers = {"float32": iter([_DISTURBED, _DISTURBED]), "bfloat16": iter([_TIMED])}
    made = go(monkeypatch, launches, tmp_path, answers)
    record = made.finished[CELLS[0]]
    assert (record.status, record.launches, record.disturbance) == (Status.DISTURBED, (), _SEEN)
    (read,) = [one for _, one in Store(tmp_path).records()[0] if one.status is Status.DISTURBED]
    assert read.disturbance is not None
    assert read.disturbance.waited_s == (0.3, 0.4), "what did not count is kept raw"
    assert "other processes had 1.0 cores" in read.disturbance.seen


def test_the_next_run_tries_again(monkeypatch: pytest.MonkeyPatch, launches: list[str], tmp_path: Path) -> None:
    go(monkeypatch, launches, tmp_path, {"float32": iter([_DISTURBED] * 2), "bfloat16": iter([_TIMED])})
    launches.clear()
    made = go(monkeypatch, launches, tmp_path, {"float32": iter([_TIMED])})
    assert launches == ["float32"], "what has a time is done, and what was disturbed is not"
    assert made.finished[CELLS[0]].status is Status.PASSED


def test_a_worker_that_tells_of_no_disturbance_was_not_disturbed() -> None:
    """Nor may it have a time beside it: a plug-in answers on the same line."""
    job: Any = measuring.MeasureJob(CELLS[0], "smoke", None, 0, True, 0, None)
    assert "no account of what disturbed" in str(job.fault(replace(_DISTURBED, result=Measurement())))
    both = replace(_DISTURBED, result=Measurement(disturbance=_SEEN, launch=LAUNCH))
    assert "disturbed, and a launch" in str(job.fault(both))
