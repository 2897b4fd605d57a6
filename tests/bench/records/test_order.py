"""The order of records is that in which they were made, whatever clocks do; none is lost of one moment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from oneblock.bench.commands.compare import COMMAND as COMPARE
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.judge.pairs import pair
from oneblock.bench.records.find import find, load
from oneblock.bench.records.order import in_order, newest, next_number
from oneblock.bench.records.record import LARGEST_NUMBER, Record, Status
from oneblock.bench.records.store import Store, read_record, to_json
from oneblock.bench.report.rows.rows import rows_of
from tests.bench.report.test_report import record

FIRST = "2026-11-28T11:09:47.544Z"
CLOCKS = [FIRST, "2026-11-28T11:09:47.000Z", "1970-01-01T00:00:00.000Z", "2026-11-28T11:09:48.000Z"]


def made(store: Store, told: str, seed: int, like: Record | None = None) -> Path:
    """A record that is made when the clock tells that."""
    one = replace(like or record(), created=told, order_seed=seed)
    return store.add(replace(one, number=next_number(store.directory)))


@pytest.mark.parametrize("told", CLOCKS)
def test_whatever_the_clock_tells_nothing_is_lost_and_the_last_made_counts(tmp_path: Path, told: str) -> None:
    store = Store(tmp_path)
    paths = [made(store, FIRST, 0), made(store, told, 1), made(store, told, 2)]
    assert [read_record(path).order_seed for path in paths] == [0, 1, 2]
    assert [read_record(path).created for path in paths] == [FIRST, told, told], "times are the clock's"
    done = store.done(record().identity())
    assert done is not None
    assert done.order_seed == 2
    assert [one.order_seed for _, one in newest(store.records()[0])] == [2]
    assert [one.order_seed for _, one in load(store)] == [0, 1, 2]
    assert find("block", tmp_path)[1].order_seed == 2
    assert [row.record.order_seed for row in rows_of(store.records()[0]) if row.newest] == [2]
    found = [one for _, one in load(store)]
    assert [both[1].order_seed for both in pair(found, found)[0]] == [2]


def test_a_clock_years_ahead_drags_no_later_time_along(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made(store, "9999-12-31T23:59:59.999Z", 0)
    after = made(store, FIRST, 1)
    assert read_record(after).created == FIRST
    assert [one.order_seed for _, one in newest(store.records()[0])] == [1]


def test_a_record_that_was_made_anew_is_what_commands_speak_of_though_the_clock_went_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = replace(record(), environment=replace(record().environment, software={"numpy": "2.9"}))
    made(store, FIRST, 0)
    made(store, "2020-01-01T00:00:00.000Z", 1, replace(other, status=Status.FAILED, launches=(), kind=None))
    compared, shown = CliRunner().invoke(COMPARE, [str(tmp_path)] * 2), CliRunner().invoke(SHOW, ["-o", str(tmp_path)])
    assert "A is failed" in compared.output
    assert "failed" in shown.output
    assert read_record(find("block", tmp_path)[0]).status is Status.FAILED


def test_records_of_an_earlier_oneblock_are_before_all_others_in_the_order_of_their_times(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed, created in enumerate(
        ["2026-01-02T00:00:00.000Z", "2026-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z"]
    ):
        store.add(replace(record(), created=created, order_seed=seed))
    made(store, FIRST, 3)
    assert [one.order_seed for _, one in in_order(store.records()[0])] == [1, 0, 2, 3]
    done = store.done(record().identity())
    assert done is not None
    assert done.order_seed == 3


def test_of_two_folders_the_later_counts_however_many_records_each_has(tmp_path: Path) -> None:
    many, few = Store(tmp_path / "many"), Store(tmp_path / "few")
    for seed in range(3):
        made(many, FIRST, seed)
    made(few, "2026-11-28T12:00:00.000Z", 9)
    for found in ([*many.records()[0], *few.records()[0]], [*few.records()[0], *many.records()[0]]):
        assert [one.order_seed for _, one in newest(found)] == [9]
        assert [row.record.order_seed for row in rows_of(found) if row.newest] == [9]
    made(few, "2026-11-01T00:00:00.000Z", 10)
    found = [*few.records()[0], *many.records()[0]]
    assert [one.order_seed for _, one in in_order(found)] == [0, 1, 2, 9, 10], "each folder's own order stays"


def test_records_that_two_runs_make_in_one_moment_are_both_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    number = next_number(tmp_path)
    paths = [store.add(replace(record(), created=FIRST, order_seed=seed, number=number)) for seed in (0, 1)]
    assert sorted(read_record(path).order_seed for path in paths) == [0, 1]
    assert next_number(tmp_path) == number + 1


def test_a_name_alone_moves_no_number(tmp_path: Path) -> None:
    assert next_number(tmp_path / "nowhere") == 1
    made(Store(tmp_path), FIRST, 0)
    for name in ("000099", "999999999999", "9" * 40):
        (tmp_path / f"a.0123456789abcdef.20260101T000000.000Z.{name}.json").write_text("{}")
        (tmp_path / f"b.0123456789abcdef.20260101T000000.000Z.{name}.json").write_bytes(to_json(record()))
    os.mkfifo(tmp_path / "c.0123456789abcdef.20260101T000000.000Z.000100.json")
    assert next_number(tmp_path) == 2


def test_behind_the_largest_number_records_are_still_made_and_in_the_order_of_their_times(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(replace(record(), created=FIRST, number=LARGEST_NUMBER))
    made(store, "2026-11-29T00:00:00.000Z", 1)
    assert [one.order_seed for _, one in newest(store.records()[0])] == [1]
    (tmp_path / "beyond.json").write_bytes(to_json(replace(record(), number=LARGEST_NUMBER + 1)))
    (tmp_path / "before.json").write_bytes(to_json(replace(record(), number=0)))
    assert {problem.path.name for problem in store.records()[1]} == {"beyond.json", "before.json"}
