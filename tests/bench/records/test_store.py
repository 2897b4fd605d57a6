"""What the store takes for done: a record whose contents are of the cell, whatever its file is called."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.records.order import newest
from oneblock.bench.records.store import Store, to_json
from oneblock.bench.records.texts import StoreError
from tests.bench.report.test_report import record


def test_a_record_is_done_by_its_contents_and_not_by_its_name(tmp_path: Path) -> None:
    store, made = Store(tmp_path), record()
    path = store.add(made)
    assert store.done(made.identity()) == made
    other = replace(made, cell=replace(made.cell, weight_seed=9))
    path.write_bytes(to_json(other))  # edited by hand: the file keeps its name
    assert store.done(made.identity()) is None
    assert store.done(other.identity()) is None, "it is not where it would be looked for"


def test_two_records_of_one_moment_are_two_files_and_the_later_counts(tmp_path: Path) -> None:
    store, first = Store(tmp_path), record()
    later = replace(first, order_seed=7)
    paths = [store.add(first), store.add(later)]
    assert [one for _, one in store.records()[0]] == [first, later]
    assert paths == sorted(paths)
    assert store.done(first.identity()) == later
    assert [one for _, one in newest(store.records()[0])] == [later]


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_another_run_takes_at_the_same_moment_is_left_to_it(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was free when it was looked for, and is not when the record is written: both records stay."""
    store, first = Store(tmp_path), record()
    others = iter([replace(first, order_seed=seed) for seed in (1, 2)])
    sync, link = os.fsync, os.link

    def another_run(descriptor: int) -> None:
        sync(descriptor)
        if (other := next(others, None)) is not None:
            taken = first.identity() + ".20260101T000000.000Z" + ("~002" if other.order_seed == 2 else "")
            (tmp_path / f"{first.cell.name}.{taken}.json").write_bytes(to_json(other))

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fsync", another_run)
    monkeypatch.setattr(os, "link", link if links else no_links)
    path = store.add(first)
    assert path.name.endswith("~003.json")
    assert [one.order_seed for _, one in store.records()[0]] == [1, 2, 0]
    assert sorted(tmp_path.glob(".oneblock-*")) == []


def test_a_folder_that_is_a_file_is_named_and_no_name_is_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("")
    with pytest.raises(StoreError, match="cannot be written to"):
        Store(tmp_path / "records").add(record())


def test_one_listing_answers_for_every_cell_and_a_name_alone_for_none(tmp_path: Path) -> None:
    """A listing for each cell makes resuming cells x records."""
    store = Store(tmp_path)
    made = [replace(record(), created=f"2026-01-0{day}T00:00:00.000Z") for day in (1, 2)]
    paths = [store.add(one) for one in made]
    identity = made[0].identity()
    named = store.named()
    assert named == {identity: paths[::-1]}
    paths[1].write_bytes(b"{}")
    assert store.done(identity, named) == made[0], "the newest that can be read"
    paths[0].rename(tmp_path / f"lies.{'0' * 16}.20260101T000000.000Z.json")
    assert store.done("0" * 16) is None, "a name proves nothing"
    assert store.done(identity, named) is None, "and a file that is gone since is none"
    assert Store(tmp_path / "absent").named() == {}
