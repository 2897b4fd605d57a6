"""The order of records is that in which they were made, whatever clocks do; none is lost of one moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.records.find import newest
from oneblock.bench.records.moments import moment
from oneblock.bench.records.store import Store, Unreadable, to_json
from tests.bench.report.test_report import record

FIRST, LATER = "2026-11-28T11:09:47.544Z", "2026-11-28T11:09:48.000Z"


def made(store: Store, told: str, seed: int) -> str:
    """The time of a record that is made when the clock tells that."""
    created = moment(store.directory, told)
    store.add(replace(record(), created=created, order_seed=seed))
    return created


@pytest.mark.parametrize("told", [FIRST, "2026-11-28T11:09:47.000Z", "1970-01-01T00:00:00.000Z"])
def test_a_clock_that_stands_still_or_goes_back_loses_nothing_and_the_last_counts(tmp_path: Path, told: str) -> None:
    store = Store(tmp_path)
    times = [made(store, FIRST, 0), made(store, told, 1), made(store, told, 2)]
    assert times == [FIRST, "2026-11-28T11:09:47.545Z", "2026-11-28T11:09:47.546Z"]
    assert [one.order_seed for _, one in store.records()[0]] == [0, 1, 2]
    done = store.done(record().identity())
    assert done is not None
    assert done.order_seed == 2
    assert [one.order_seed for _, one in newest(store.records()[0])] == [2]
    assert made(store, LATER, 3) == LATER, "and a clock that goes on is believed again"


def test_another_cells_record_is_before_it_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(replace(record("other"), created=LATER))
    assert moment(tmp_path, FIRST) == "2026-11-28T11:09:48.001Z"


@pytest.mark.parametrize("name", ["99999999T999999.999Z", "99991231T235959.999Z", "21000101T000000.000Z"])
def test_a_name_alone_moves_no_time(tmp_path: Path, name: str) -> None:
    (tmp_path / f"a.0123456789abcdef.{name}.json").write_text("{}")
    assert moment(tmp_path, FIRST) == FIRST
    with pytest.raises(Unreadable, match="created"):
        made(Store(tmp_path), "9999-12-31T23:59:59.999Z", 0)
    (tmp_path / "b.json").write_bytes(to_json(replace(record(), created="9999-12-31T23:59:59.999Z")))
    assert moment(tmp_path, FIRST) == FIRST, "there is no time after the last: such a record is none"
    assert len(Store(tmp_path).records()[1]) == 2, "and it is named"
    assert moment(tmp_path / "nowhere", FIRST) == FIRST
