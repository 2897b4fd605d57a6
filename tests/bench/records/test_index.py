"""The index of a folder: what any command says is what the files say, whatever the index is or was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oneblock.bench.cells import cell
from oneblock.bench.commands.compare import COMMAND as COMPARE
from oneblock.bench.commands.diff import COMMAND as DIFF
from oneblock.bench.commands.report import COMMAND as REPORT
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.format.errors import Refused
from oneblock.bench.records import index
from oneblock.bench.records.brief import brief, names
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store, read_record, to_json
from tests.bench.report.test_report import record

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
NAME = "plain.0123456789abcdef.20260101T000000.000Z.json"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, in which any folder has an index and every file has come to rest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    monkeypatch.setattr(index, "_SETTLED_NS", -(10**18))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records of today and of every older schema, crashed, of somebody's model, and files that are none."""
    made = tmp_path / "records"
    shutil.copytree(FIXTURES / "page", made)
    for path in (FIXTURES / "records").glob("*.json"):
        shutil.copy(path, made)
    one = record()
    odd_model = replace(one.cell.case, config=replace(one.cell.case.config, name="somebodys"))
    crashed = one.crashed("killed by SIGSEGV", "mend it")
    for name, written in {
        NAME: one,
        "crashed.json": replace(crashed, cell=replace(one.cell, backend="other")),
        "model.json": replace(one, cell=replace(one.cell, case=odd_model)),
    }.items():
        (made / name).write_bytes(to_json(written))
    (made / "cut.json").write_bytes(to_json(one)[:900])
    (made / "foreign.json").write_text('{"schema": "https://example.org"}')
    os.mkfifo(made / "pipe.json")
    (made / "link.json").symlink_to(made / NAME)
    return made


def kept(folder: Path) -> Path:
    place = index._place(folder)
    assert place is not None
    return place


def reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Which files are opened as records when the folder is read by its index."""
    seen: set[str] = set()

    def counted(path: Path) -> object:
        seen.add(path.name)
        return read_record(path)

    with monkeypatch.context() as patched:
        patched.setattr(index, "read_record", counted)
        index.briefs(Store(folder))
    return seen


def agrees(folder: Path) -> None:
    """The index changes nothing of what is read."""
    assert index.briefs(Store(folder)) == index.briefs(Store(folder), indexed=False)


def said(command: click.Command, *words: object) -> tuple[str, str, str]:
    done = CliRunner().invoke(command, [str(word) for word in words])
    if not isinstance(done.exception, None | SystemExit | Refused):
        raise done.exception
    return done.stdout, done.stderr, str(done.exception)


NEVER_KEPT = {"cut.json", "foreign.json", "pipe.json", "link.json", "model.json"}


def test_every_command_says_the_same_with_an_index_and_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    asked: list[tuple[click.Command, list[object]]] = [
        (SHOW, ["-o", folder]), (SHOW, ["-o", folder, "--why"]), (SHOW, ["-o", folder, "--json"]),
        (SHOW, ["-o", folder, "block tiny prefill T16 reference"]), (SHOW, ["-o", folder, "nothing"]),
        (COMPARE, [folder, folder]), (COMPARE, [folder, folder, "--json"]), (DIFF, ["-o", folder, "crashed", "T16"]),
        (REPORT, ["-o", folder, "--to", page, "--against", folder]),
    ]  # fmt: skip

    def answer(command: click.Command, words: list[object]) -> tuple[object, bytes]:
        return said(command, *words), page.read_bytes() if command is REPORT else b""

    without = [answer(command, [*words, "--no-index"]) for command, words in asked]
    assert not kept(folder).exists(), "--no-index writes none"
    for _ in range(2):  # it is made, and then used
        assert [answer(command, words) for command, words in asked] == without
    assert reads(folder, monkeypatch) == NEVER_KEPT


def rewritten(path: Path) -> None:
    """Another record of the same size and time in the very file."""
    raw, about = path.read_bytes(), path.stat()
    with path.open("r+b") as file:
        file.write(raw.replace(b'"passed"', b'"failed"'))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def exchanged(path: Path) -> None:
    """The same by another file under its name."""
    about = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b'"passed"', b'"failed"'))
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.rename(path)


def grown(path: Path) -> None:
    about = path.stat()
    path.write_bytes(to_json(replace(read_record(path), status=Status.INVALID, reason="too fast")))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def swapped(path: Path) -> None:
    other, between = path.with_name("crashed.json"), path.with_name("between")
    path.rename(between)
    other.rename(path)
    between.rename(other)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere.txt"))
    path.symlink_to("elsewhere.txt")


@pytest.mark.parametrize("change", [rewritten, exchanged, grown, cut, swapped, linked, Path.unlink])
def test_a_file_that_is_not_as_it_was_is_read(folder: Path, change: Callable[[Path], None]) -> None:
    agrees(folder)
    before = index.briefs(Store(folder))
    change(folder / NAME)
    assert index.briefs(Store(folder)) != before
    agrees(folder)


@pytest.mark.parametrize("change", [rewritten, exchanged, grown, cut, swapped, linked, Path.unlink, Path.touch])
def test_what_is_done_is_told_by_the_index_of_the_very_file_alone(
    folder: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` asks for one record after another, by names that may be of any file by now."""
    identity = read_record(folder / NAME).identity()
    named = {identity: [folder / NAME]}
    index.briefs(Store(folder))
    with monkeypatch.context() as patched:
        patched.setattr(index, "read_record", lambda path: pytest.fail(f"{path} was read"))
        assert Store(folder).done(identity, named, index.reader(Store(folder))) == brief(read_record(folder / NAME))
    change(folder / NAME)
    told, said = Store(folder).done(identity, named, index.reader(Store(folder))), Store(folder).done(identity, named)
    assert told == said


def test_a_file_that_may_still_change_unseen_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_SETTLED_NS", 3600 * 10**9)
    index.briefs(Store(folder))
    assert reads(folder, monkeypatch) == {path.name for path in folder.glob("*.json")}


def test_a_record_that_is_added_is_read_and_few_are_not_worth_another_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        (folder / f"{number}.json").write_bytes(to_json(replace(record(), order_seed=number)))
    index.briefs(Store(folder))
    made = kept(folder).read_bytes()
    (folder / "new.json").write_bytes(to_json(record("new")))
    agrees(folder)
    assert reads(folder, monkeypatch) == NEVER_KEPT | {"new.json"}
    assert kept(folder).read_bytes() == made


def as_other(old: bytes, new: bytes) -> Callable[[Path], None]:
    """An index that says something else, with a hash that agrees."""

    def change(place: Path) -> None:
        _, rest = place.read_bytes().split(b"\n", 1)
        assert old in rest
        place.write_bytes(hashed(rest.replace(old, new)))

    return change


def hashed(rest: bytes) -> bytes:
    return index._digest(rest) + b"\n" + rest


def another_line(line: bytes) -> Callable[[Path], None]:
    """An index with one line more, and a hash that agrees."""

    def change(place: Path) -> None:
        _, rest = place.read_bytes().split(b"\n", 1)
        place.write_bytes(hashed(rest + b"\n" + line))

    return change


def flipped(place: Path) -> None:
    place.write_bytes(place.read_bytes().replace(b'"passed"', b'"failed"'))


def a_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def a_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def no_cache(place: Path) -> None:
    shutil.rmtree(place.parent)
    place.parent.write_text("in the way")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped status": flipped,
    "cut": lambda place: place.write_bytes(place.read_bytes()[:5000]),
    "empty": lambda place: place.write_bytes(b""),
    "no text": lambda place: place.write_bytes(bytes(range(256)) * 99),
    "another line": another_line(b"[1]"),
    "an empty line": another_line(b""),
    "a deep line": another_line(b"[" * 9999),
    "another oneblock": as_other(b'"by":"', b'"by":"0'),
    "another folder": as_other(b'"folder":"', b'"folder":"/else'),
    "another schema": as_other(b'"schema":', b'"schema":1'),
    "a part that is not there": as_other(b'"],[0,', b'"],[99,'),
    "a part before the first": as_other(b'"],[0,', b'"],[-1,'),
    "a name less": as_other(b'[["', b'[[["'),
    "a name that is a number": as_other(b'[["', b'[[1,"'),
    "no cell": as_other(b'"cell":{', b'"cell":7,"sell":{'),
    "a cell that is a list": as_other(b'"case":{', b'"case":[],"lace":{'),
    "no parts": as_other(b'[[{"machine":', b'[[{"machines":'),
    "fields of another": as_other(b'"order_seed":', b'"seed_of_order":'),
    "a folder": a_folder,
    "a pipe": a_pipe,
    "no cache": no_cache,
    "deleted": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_index_that_is_odd_in_any_way_says_nothing(
    folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.briefs(Store(folder))
    DAMAGES[damage](kept(folder))
    monkeypatch.setattr(index, "_save", lambda *_: None)
    assert reads(folder, monkeypatch) == {path.name for path in folder.glob("*.json")}
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    agrees(folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_done_is_told_by_no_index_that_is_odd(folder: Path, damage: str) -> None:
    index.briefs(Store(folder))
    DAMAGES[damage](kept(folder))
    read = index.reader(Store(folder))
    for path in (folder / NAME, folder / "crashed.json"):
        assert brief(read(path)) == brief(read_record(path))


def test_what_an_index_tells_of_a_record_is_what_it_says_itself(folder: Path) -> None:
    """Hashes and names are kept beside a record, and what records have alike is kept once: none gets another's."""
    other = replace(record("second"), environment=replace(record().environment, software={"numpy": "0"}))
    (folder / "second.json").write_bytes(to_json(replace(other, limits=None)))
    index.briefs(Store(folder))
    found, _ = index.briefs(Store(folder))
    told = {path: (names(one), one.environment, one.limits, one.cell.case.config) for path, one in found}
    whole = {path: read_record(path) for path in told}
    assert told == {
        path: (names(one), one.environment, one.limits, one.cell.case.config) for path, one in whole.items()
    }
    assert len({names(one) for one in whole.values()}) > 5
    changed = replace(found[0][1], tier="publish")
    assert names(changed) == names(replace(whole[found[0][0]], tier="publish")) != names(found[0][1])


def test_the_names_of_a_record_that_is_in_the_index_are_not_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a hash of dozens of fields, which thousands of records would wait for."""
    made = {path: names(one) for path, one in index.briefs(Store(folder))[0]}
    monkeypatch.setattr(index, "_save", lambda *_: None)  # as where nearly all are in it
    found, _ = index.briefs(Store(folder))
    monkeypatch.setattr(cell, "digest", lambda value: pytest.fail(f"hashed again: {value!r}"))
    told = {path: names(one) for path, one in found if path.name not in NEVER_KEPT}
    assert told.items() <= made.items()
    assert len(told) > 5


def test_what_records_have_alike_is_held_once(folder: Path) -> None:
    for number in range(9):
        (folder / f"{number}.json").write_bytes(to_json(replace(record(), order_seed=number)))
    for _ in range(2):  # read, and then from the index
        found = dict(index.briefs(Store(folder))[0])
        same = [found[folder / f"{number}.json"] for number in range(9)]
        assert len({id(one.environment) for one in same}) == len({id(one.cell.case.config) for one in same}) == 1


def test_an_index_of_another_user_says_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.briefs(Store(folder))
    monkeypatch.setattr(os, "geteuid", lambda: kept(folder).stat().st_uid + 1)
    assert reads(folder, monkeypatch) == {path.name for path in folder.glob("*.json")}


def test_an_index_that_comes_with_a_folder_is_a_file_like_any_other(folder: Path) -> None:
    index.briefs(Store(folder))
    flipped(kept(folder))
    for name in (kept(folder).name, ".index.json", "index.json", "records.json"):
        shutil.copy(kept(folder), folder / name)
    agrees(folder)
    records, problems = index.briefs(Store(folder))
    assert {path.name: one.status for path, one in records}[NAME] is Status.PASSED
    assert {"index.json", "records.json"} <= {problem.path.name for problem in problems}


def test_a_full_disk_leaves_no_half_of_an_index(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        index.briefs(Store(folder))
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    agrees(folder)


def test_several_at_once_agree(folder: Path) -> None:
    expected = index.briefs(Store(folder), indexed=False)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(lambda _: index.briefs(Store(folder)), range(12)))


def test_a_folder_that_cannot_be_written_to_stays_as_it_is(folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    index.briefs(Store(folder))
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_brief_record_has_what_tables_and_verdicts_are_made_of() -> None:
    one = record()
    short = brief(one)
    assert short.samples("cold") == one.samples("cold")
    assert [len(samples) for samples in short.samples("warm")] == [1, 1]
    assert replace(short, launches=one.launches) == one
