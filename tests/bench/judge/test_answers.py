"""The answer of a subject: the fastest that is right, never one that is not, and no rank where chance could make it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.judge.answers import Contender, answer
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.record import Status
from oneblock.bench.terminal.records import answers
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import ended, record
from tests.helpers.stage_records import run, store


def test_the_fastest_comes_with_its_interval_its_limit_and_the_next() -> None:
    found = answer([record("slow", cold_s=9e-3), record("best", cold_s=2e-3), record("next", cold_s=3e-3)])
    assert found is not None
    assert found.fastest.record.cell.backend == "best"
    low, high = found.fastest.interval_s
    assert low <= found.fastest.cold_s <= high
    assert found.fastest.limit is not None
    assert found.ratio == pytest.approx(1.5, rel=0.01)
    assert (found.tied, found.ahead) == (False, "1.5x before next plain")


@pytest.mark.parametrize("status", [Status.FAILED, Status.INVALID, Status.DISTURBED, Status.OVERFLOW, Status.CRASHED])
def test_what_is_not_right_or_was_disturbed_is_no_answer_however_fast(status: Status) -> None:
    wrong = replace(record("wrong", cold_s=1e-6), status=status, reason="so")
    found = answer([wrong, record("right")])
    assert found is not None
    assert (found.fastest.record.cell.backend, found.next, found.ahead) == ("right", None, "")
    assert answer([wrong]) is None


def test_what_others_report_or_an_interpreter_ran_is_no_answer() -> None:
    assert answer([ended(Status.INTERPRETED, "n", kind=Kind.INTERPRETED)]) is None
    assert answer([replace(record(), kind=Kind.REPORTED)]) is None
    assert answer([]) is None


def test_two_whose_intervals_overlap_are_not_ranked() -> None:
    found = answer([record("a", cold_s=1e-3), record("b", cold_s=1.001e-3)])
    assert found is not None
    assert found.tied
    assert found.ahead == "not told from b plain"


def test_a_target_is_named_where_it_is_no_cpu() -> None:
    cell = replace(record().cell, target=type(record().cell.target)("cuda", "sm_90"))
    assert Contender(replace(record(), cell=cell), 1.0, (1.0, 1.0)).name == "reference plain cuda:sm_90"


def test_the_terminal_says_it_before_the_table_and_marks_a_doubt(tmp_path: Path) -> None:
    store(tmp_path, record("slow"))
    store(tmp_path, replace(record("best", cold_s=2e-3), doubts=(Doubt(Cause.CORES_SHARED, "busy"),)))
    store(tmp_path, replace(record("broken", cold_s=1e-6), status=Status.FAILED, reason="relative L2 error 1"))
    _, said = run(SHOW, "-o", tmp_path)
    (line,) = (line for line in said.splitlines() if "6.17x before slow plain" in line)
    assert line.split()[:6] == ["block-tiny-prefill-B1-T16-float32", "best", "plain", "2", "ms", "*"]
    assert "% " in line
    assert said.index(line) < said.index("(tier smoke")
    assert "broken" not in line


def test_a_subject_of_which_none_was_timed_says_how_they_ended() -> None:
    busy = [replace(record(name), status=Status.DISTURBED, reason="busy") for name in ("a", "b")]
    _, line, _ = answers([*busy, ended(Status.CRASHED, "c")], 180)
    assert line.plain.split() == ["block-tiny-prefill-B1-T16-float32", "none", "2", "disturbed,", "1", "crashed"]
    assert answers([ended(Status.COMPILED, "k", kind=Kind.COMPILED)], 180) == [], "of which no time was asked"


@pytest.mark.parametrize(("width", "told"), [(180, True), (60, False)])
def test_the_next_is_left_out_where_it_does_not_fit(width: int, told: bool) -> None:
    _, line, _ = answers([record("slow"), record("best", cold_s=2e-3)], width)
    assert ("slow plain" in line.plain) is told
    assert "best plain" in line.plain
