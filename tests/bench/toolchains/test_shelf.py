"""Releases of a local index, by pip itself: whole or not at all, and each way of going wrong with its reason."""

from __future__ import annotations

import resource
import shutil
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from oneblock.bench.records.record import Status
from oneblock.bench.toolchains import index, shelf
from oneblock.bench.toolchains.asked import Asked
from oneblock.bench.toolchains.environment import made, planned
from oneblock.bench.toolchains.index import NoRelease, NoWheel, plan
from tests.helpers.toy_releases import ToyIndex, toy_index, wheel

HERE = Path(sys.executable)
said: list[str] = []


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyIndex]:
    (tmp_path / "wheels").mkdir()
    found = toy_index(tmp_path / "wheels")
    for name, value in {**found.settings, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    index.offered.cache_clear()
    said.clear()
    yield found
    index.offered.cache_clear()


def refused(**versions: str) -> NoRelease:
    with pytest.raises(NoRelease) as caught:
        made(planned(versions, {}), said.append)
    return caught.value


def test_what_is_missing_is_told_with_its_size_before_it_is_fetched(releases: ToyIndex) -> None:
    (one,) = planned({"toychain": "1.0"}, {}).to_fetch
    assert (one.name, one.version) == ("toychain", "1.0")
    assert one.bytes == (releases.folder / "toychain" / "toychain-1.0-py3-none-any.whl").stat().st_size
    assert not shelf.shelf().exists(), "nothing is fetched yet"


def test_a_range_that_ends_at_a_release_for_another_python_has_all_between(releases: ToyIndex) -> None:
    asked = Asked.parse("toychain=1.4..2.1")
    here = index.on_offer("toychain", HERE)
    assert Version("2.1") not in here or sys.version_info >= (3, 13)
    releases.add(wheel(releases.folder.parent, "toychain", "1.9", {"toychain/__init__.py": ""}, "cp313-none-any"))
    index.offered.cache_clear()
    assert "1.9" in asked.among(index.on_offer("toychain", HERE, asked.ends))
    newest = Asked.parse("toychain=1.4..newest")
    found = newest.among(index.on_offer("toychain", HERE, newest.ends, newest=newest.to_newest))
    assert {"1.9", "2.1"} <= set(found), "which are for another Python"


def test_a_release_is_kept_once_and_stands_before_what_is_installed(releases: ToyIndex) -> None:
    environment = made(planned({"toychain": "1.0"}, {}), said.append)
    (folder,) = environment.folders
    assert environment.toolchain == "toychain-1.0"
    assert environment.environ(Path("/stage"))["PYTHONPATH"].startswith(f"{folder}:/stage")
    assert planned({"toychain": "1.0"}, {}).to_fetch == []
    shutil.rmtree(releases.folder)  # what is kept asks nobody
    assert (
        shelf.kept(index.Wheel("toychain", "1.0", f"file:///{folder.name}.whl", None, None), HERE, said.append)
        == folder
    )
    assert [path.name for path in shelf.shelf().iterdir()] == [folder.name], "nothing is left of the making"


@pytest.mark.parametrize("how", ["changed", "gone", "record"])
def test_what_is_damaged_is_found_out_and_made_anew(releases: ToyIndex, how: str) -> None:
    (folder,) = made(planned({"toychain": "1.0"}, {}), said.append).folders
    file = folder / "toychain" / "__init__.py"
    text = file.read_text()
    if how == "changed":
        file.write_text(text.replace("64", "46"))  # of the same length
    elif how == "gone":
        file.unlink()
    else:
        next(folder.glob("*.dist-info/RECORD")).write_text("")
    assert said == []
    assert made(planned({"toychain": "1.0"}, {}), said.append).folders == (folder,)
    assert ["is damaged" in one for one in said] == [True]
    assert file.read_text() == text


def test_what_is_not_there_says_what_is_near(releases: ToyIndex) -> None:
    error = refused(toychain="1.6")
    assert (error.status, error.hint) == (Status.UNAVAILABLE, "the nearest is 1.5")
    assert "no toychain 1.6" in error.reason
    assert refused(**{"nobody-has-this": "1.0"}).hint == "is its name right?"


def test_a_yanked_release_says_why_it_was(releases: ToyIndex) -> None:
    error = refused(toychain="1.3")
    assert (error.status, error.reason) == (Status.UNAVAILABLE, "toychain 1.3 was yanked: miscompiles")


def test_without_a_wheel_for_this_python_another_is_asked_for(releases: ToyIndex) -> None:
    with pytest.raises(NoWheel, match="no wheel for this Python") as caught:
        plan({"toychain": "2.1"}, HERE)
    assert caught.value.pythons == ("3.13",)
    with pytest.raises(NoWheel) as named:
        planned({"toychain": "2.1"}, {}, [HERE])
    assert "--python" in named.value.hint


def test_two_that_cannot_live_together_say_what_each_wants(releases: ToyIndex) -> None:
    error = refused(toychain="1.4", toylib="3.0")
    assert error.status is Status.UNSUPPORTED
    assert "toylib 3.0 depends on toychain<1.2" in error.reason


def test_one_that_does_not_import_or_aborts_is_a_status(releases: ToyIndex) -> None:
    error = refused(toychain="3.0")
    assert (error.status, "No module named 'a_library_that_nobody_has'" in error.reason) == (Status.CRASHED, True)
    assert "killed by SIGABRT" in refused(toychain="3.1").reason


def test_a_full_disk_is_told_before_anything_is_fetched(releases: ToyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40, 100))
    error = refused(toychain="1.0")
    assert "100 B are free" in error.reason
    assert "make room" in error.hint


def test_what_cannot_be_written_amid_an_installation_leaves_nothing(releases: ToyIndex) -> None:
    files = {"toychain/__init__.py": "", "toychain/large.txt": "0" * 2**22}  # packed it is small: pip fetches it
    releases.add(wheel(releases.folder, "toychain", "5.0", files))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        error = refused(toychain="5.0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.status is Status.UNAVAILABLE
    assert "File too large" in error.reason
    assert list(shelf.shelf().iterdir()) == []
    assert made(planned({"toychain": "5.0"}, {}), said.append).folders


def test_another_file_than_the_index_promises_is_not_kept(releases: ToyIndex) -> None:
    path = releases.folder / "toychain" / "toychain-1.0-py3-none-any.whl"
    found = planned({"toychain": "1.0"}, {})
    path.write_bytes((releases.folder / "toychain" / "toychain-1.1-py3-none-any.whl").read_bytes())
    with pytest.raises(NoRelease, match="pip did not download it"):
        made(found, said.append)
    assert list(shelf.shelf().iterdir()) == []
