"""A run of many cells: which of them are done is told by the folder's index, and by a file that is not as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.records import index
from oneblock.bench.records.brief import brief
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store, to_json
from oneblock.bench.runs import run as runs
from oneblock.bench.runs.run import Run
from oneblock.bench.worker.watch import Bounds
from tests.bench.report.test_report import record


def made(folder: Path, one: Record, *, indexed: bool) -> Run:
    return Run([one.cell], TIERS["smoke"], Store(folder), Bounds(1, 10.0, 2**30), indexed=indexed)


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Record]:
    """A folder with an index, a record of it, and what that record is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    monkeypatch.setattr(runs, "FEWEST", 1)
    monkeypatch.setattr(index, "_SETTLED_NS", -(10**18))
    folder, one = tmp_path / "records", record()
    here = made(folder, one, indexed=True)
    environment = replace(here.environment, software=here._software(one.cell))
    one = replace(one, environment=environment, tier="smoke", status=Status.PASSED, reason=None)
    path = Store(folder).add(one)
    index.briefs(Store(folder))
    return folder, path, one


def test_a_file_that_is_as_it_was_is_not_read(done: tuple[Path, Path, Record], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, one = done
    monkeypatch.setattr(index, "read_record", lambda path: pytest.fail(f"{path} was read"))
    run = made(folder, one, indexed=True)
    assert run.go(lambda _: None) == [brief(one)]
    assert run.skipped == {one.cell}
    assert made(folder, one, indexed=False).go(lambda _: None) == [one], "whole, where no index is asked"


def test_a_file_that_is_not_as_it_was_is_read(done: tuple[Path, Path, Record]) -> None:
    folder, path, one = done
    path.write_bytes(to_json(replace(one, status=Status.CRASHED, reason="killed")))
    run = made(folder, one, indexed=True)
    assert run._todo() == [one.cell], "it is no answer, whatever the index says of the file before"
    path.unlink()
    assert made(folder, one, indexed=True)._todo() == [one.cell]
