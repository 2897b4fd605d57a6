"""Of the launches that are kept for an unfinished cell those count that are what their names say."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from oneblock.bench.records.record import Launch, Status
from oneblock.bench.records.store import Store, to_json
from oneblock.bench.runs.partials import Partial, partials
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.measure_job import Measurement
from oneblock.compilers.api.kind import Kind

TEXTS = {"started": "2026-01-01T00:00:00.000Z", "timer": "perf_counter", "stopped_by": "samples"}
SERIES = dict.fromkeys(("warmup_s", "cold_s", "warm_s", "fresh_s"), (1e-3, 1.1e-3))
NUMBERS: dict[str, Any] = {field.name: 0 for field in fields(Launch) if field.default is not None}
LAUNCH = Launch(**NUMBERS | TEXTS | SERIES | {"device_s": (), "evidence": None, "cold_compile": True})


def partial(index: int, launch: Launch | None = LAUNCH) -> bytes:
    launch = launch and replace(launch, index=index)
    return to_json(Partial(Outcome(Status.PASSED, Kind.MEASURED, "cpu", result=Measurement(launch=launch)), 13))


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for index in (0, 3):
        store.add_partial("ID", index, partial(index))
    found = partials(store, "ID", launches=6)
    assert [one.outcome.result.launch.index for one in found.values() if one.outcome.result is not None] == [0, 3]
    assert partials(store, "OTHER", launches=6) == {}


def test_others_than_a_cell_can_have_are_not_there(tmp_path: Path) -> None:
    store, folder = Store(tmp_path), tmp_path / ".partial" / "ID"
    store.add_partial("ID", 1, partial(1))
    (folder / "2.json").write_bytes(partial(1))  # a copy: one launch does not count twice
    (folder / "3.json").write_bytes(partial(3, launch=None))
    (folder / "4.json").write_bytes(partial(4)[:-20])
    (folder / "6.json").write_bytes(partial(6))  # of a cell of 6 launches: the seventh
    (folder / "x.json").write_bytes(partial(0))
    (folder / "-1.json").write_bytes(partial(-1))
    (folder / "0.json").mkdir()
    os.mkfifo(folder / "5.json")
    assert list(partials(store, "ID", launches=6)) == [1]
