"""Many records: a line each, which `grep` finds, in place of thousands of tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oneblock.bench.records.record import Record, Status
from oneblock.bench.terminal.aligned import MOST_IN_TABLES, aligned
from oneblock.bench.terminal.records import tell
from tests.bench.report.test_report import record


def of_seeds(count: int) -> list[Record]:
    one = record()
    return [replace(one, cell=replace(one.cell, input_seed=seed)) for seed in range(2, 2 + count)]


def test_columns_stand_one_under_another() -> None:
    assert aligned([("cell", "took"), ("a", "1"), ("longer", "123 ms")], words=(0,)) == [
        "cell      took",
        "a            1",
        "longer  123 ms",
    ]


def test_beyond_what_a_person_reads_each_record_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    many = of_seeds(MOST_IN_TABLES + 1)
    many[7] = replace(many[7], status=Status.FAILED, reason="y: 3 elements are not finite")
    tell(many)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["record", "status", "cold"]
    for one in many:
        (line,) = [line for line in lines if line.startswith(f"{one.cell.name} ")]
        assert one.status in line
    failed = next(line for line in lines if line.startswith(f"{many[7].cell.name} "))
    assert failed.split()[1:] == ["failed"], "a failure is a word and never a number"
    assert any("3 elements are not finite" in line for line in lines), "and a sentence"


def test_as_many_as_a_person_reads_stand_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    tell(of_seeds(3))
    assert capsys.readouterr().out.count("┏") == 3
