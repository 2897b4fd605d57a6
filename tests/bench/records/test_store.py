"""What the store takes for done: a record whose contents are of the cell, whatever its file is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oneblock.bench.records.find import newest
from oneblock.bench.records.store import Store, to_json
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
