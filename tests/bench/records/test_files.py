"""Files that may be anybody's: what is no plain file is refused and never waited for; what is written is whole."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import write_asked, write_whole
from oneblock.bench.records.store import Store, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.compilers import Artifact, Stage
from oneblock.compilers.api.files import read_plain
from tests.bench.report.test_report import record


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


OTHERS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a file": lambda path: path.symlink_to(__file__),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("/nowhere"),
    "a socket": _socket,
}
others = pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())


@others
def test_only_a_plain_file_is_read_or_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path("x.json")
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match=r"x\.json"):
        read_plain(path, 1000)
    with pytest.raises(OSError, match=r"x\.json"):
        write_whole(path, b"new")
    assert path.lstat().st_ino == before.st_ino
    assert [one.name for one in Path().iterdir()] == ["x.json"], "and nothing is left beside it"


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_plain(path, 5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, more than the 4"):
        read_plain(path, 4)
    with path.open("r+b") as file:
        file.truncate(2**40)  # no more on the disk than before
    with pytest.raises(OSError, match="more than the 5"):
        read_plain(path, 5)


def test_a_file_keeps_its_contents_where_the_new_ones_find_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        Refused, match=r"report.html: cannot be written: No space left on device; give another with --to"
    ):
        write_asked(path, b"new", "--to")
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"report.html": "old"}


def test_a_record_is_not_written_over_whole_or_damaged(tmp_path: Path) -> None:
    raw = to_json(record())
    for name, text in (
        ("whole.json", raw),
        ("cut.json", raw[:200]),
        ("any.html", raw),
        ("old.json", b'{"a":0,"schema":1}'),
    ):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(Refused, match="a record stands there"):
            write_asked(tmp_path / name, b"<html>", "--to")
        assert (tmp_path / name).read_bytes() == text


@pytest.mark.parametrize(
    "text", ['{"format": "oneblock-report", "cells": [{"record": {"schema": 6}}]}', "<html>", "", "{"]
)
def test_what_is_no_record_is_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    write_asked(path, b"new", "--to", mode=0o755)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o755


def _kept(folder: Path) -> tuple[Store, Artifact, Path]:
    store, artifact = Store(folder), Artifact(Stage.OPTIMIZED, "hlo", "HloModule x\n")
    return store, artifact, store.artifact_path(store.add_artifact(artifact).sha256)


@pytest.mark.parametrize("other", ["", "HloModule", "HloModule y\n", "HloModule x\nand more\n"])
def test_a_text_that_is_not_of_its_hash_is_refused_and_written_anew(tmp_path: Path, other: str) -> None:
    store, artifact, path = _kept(tmp_path)
    ref = store.add_artifact(artifact)
    path.write_text(other)
    with pytest.raises(StoreError, match=f"{path.name}: .*(cut off or changed|more than)"):
        store.text(ref)
    assert store.add_artifact(artifact) == ref
    assert store.text(ref) == artifact.text


@others
def test_a_text_that_is_no_plain_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    store, artifact, path = _kept(tmp_path)
    ref = store.add_artifact(artifact)
    path.unlink()
    monkeypatch.chdir(path.parent)
    make(Path(path.name))
    with pytest.raises(StoreError, match="cannot be read"):
        store.text(ref)
    with pytest.raises(StoreError, match="cannot be written to"):
        store.add_artifact(artifact)


def test_nothing_is_written_through_a_folder_that_is_a_link(tmp_path: Path) -> None:
    outside, records = tmp_path / "outside", tmp_path / "records"
    outside.mkdir()
    records.mkdir()
    for name in ("artifacts", ".partial"):
        (records / name).symlink_to(outside)
    store = Store(records)
    with pytest.raises(StoreError, match="artifacts is a link"):
        store.add_artifact(Artifact(Stage.OPTIMIZED, "hlo", "x"))
    with pytest.raises(StoreError, match=r"\.partial is a link"):
        store.add_partial("0123456789abcdef", 0, b"{}")
    assert not any(outside.iterdir())


def test_partials_are_plain_files_named_by_a_number(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add_partial("id", 0, b"{}")
    folder = tmp_path / ".partial" / "id"
    for name in ("x.json", "-1.json", "٣.json", "1.5.json"):
        (folder / name).write_text("{}")
    (folder / "1.json").mkdir()
    os.mkfifo(folder / "2.json")
    (folder / "3.json").symlink_to(folder / "0.json")
    assert store.partials("id") == {0: b"{}"}


@others
def test_what_is_no_plain_file_among_records_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    Store(tmp_path).add(record())
    monkeypatch.chdir(tmp_path)
    make(Path("x.json"))
    found, problems = Store(tmp_path).records()
    assert [one for _, one in found] == [record()]
    assert [(one.path.name, "cannot be read" in one.why) for one in problems] == [("x.json", True)]


def test_what_a_kill_left_of_a_file_is_swept_by_who_writes_there_later(tmp_path: Path) -> None:
    """That of an hour ago; not what is written now, nor what has another name or is another's link."""
    old, new, other = (tmp_path / f".oneblock-{name}" for name in ("a" * 32, "b" * 32, "notes"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    link = tmp_path / f".oneblock-{'c' * 32}"
    link.symlink_to(other)
    for path in (old, other):
        os.utime(path, (0, 0))
    os.utime(link, (0, 0), follow_symlinks=False)
    write_whole(tmp_path / "page.html", b"a page")
    assert sorted(tmp_path.iterdir()) == sorted([new, other, link, tmp_path / "page.html"])


@pytest.mark.parametrize("name", ["artifacts", ".partial"])
def test_no_file_takes_the_name_of_a_folder_that_records_beside_it_will_want(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"a page")
    (tmp_path / name).unlink()
    Store(tmp_path).add(record())
    with pytest.raises(Refused, match="the records beside it keep a folder of that name; give another with --to"):
        write_asked(tmp_path / name, b"a page", "--to")
    write_whole(tmp_path / "page.html", b"a page")
