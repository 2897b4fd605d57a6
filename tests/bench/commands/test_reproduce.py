"""A cell is repeated with the stages that its record was made with: to dump all of them takes minutes for some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.commands import reproduce
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.bench.runs.run import Run
from oneblock.compilers import Detail
from tests.bench.report.test_report import record


@pytest.mark.parametrize(("made_with", "asked"), [(detail, detail) for detail in Detail] + [(None, Detail.DEFAULT)])
def test_what_was_made_briefly_is_repeated_briefly(
    made_with: Detail | None, asked: Detail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = replace(record(), detail=made_with)
    runs: list[Run] = []

    def go(run: Run, **_: Any) -> list[Record]:
        runs.append(run)
        return [old]

    monkeypatch.setattr(reproduce, "go", go)
    path = Store(tmp_path).add(old)
    with pytest.raises(SystemExit):
        reproduce.COMMAND.main([str(path), "--json"], standalone_mode=False)
    assert [run.detail for run in runs] == [asked]
