"""Runs take turns: one that waits says for whom, gives up after a bound, and nobody else's file is ever touched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.runs import turns
from oneblock.bench.runs.turns import _who, alone

_HOLD = "from oneblock.bench.runs.turns import alone\nwith alone(60):\n    print('mine', flush=True)\n    input()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the lock, in a temporary folder of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"oneblock-{os.getuid()}"


@contextmanager
def held() -> Iterator[subprocess.Popen[str]]:
    """Another process that measures."""
    words = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_that_waits_says_for_whom_and_gives_up_after_a_bound(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(turns, "_LEAST_WAIT_S", 0.0)
    monkeypatch.setattr(turns, "_QUIET_S", 0.1)
    with held() as process:
        with pytest.raises(Refused, match=rf"process {process.pid} \(.*\) still measures here"), alone(0.4):
            pytest.fail("two measured at once")
        assert f"waiting for its turn, 0 s at most: process {process.pid} (" in capsys.readouterr().err
    with alone(0.4):  # its holder was killed
        pass
    assert capsys.readouterr().err == "", "what a dead holder told of itself is nobody's business"


def test_the_turn_of_another_is_waited_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_QUIET_S", 0.05)
    with held() as process:
        monkeypatch.setattr(turns, "note", lambda sentence: (print(sentence, file=sys.stderr), process.kill()))
        with alone(60):
            pass
    assert f"process {process.pid}" in capsys.readouterr().err


def a_link(folder: Path, victim: Path) -> None:
    folder.symlink_to(victim.parent / "theirs", target_is_directory=True)


def a_file(folder: Path, _: Path) -> None:
    folder.write_text("precious")


def a_shared_folder(folder: Path, _: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def a_linked_lock(folder: Path, victim: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "measuring.lock").symlink_to(victim)


def a_folder_for_a_lock(folder: Path, _: Path) -> None:
    (folder / "measuring.lock").mkdir(parents=True)
    folder.chmod(0o700)


@pytest.mark.parametrize("laid", [a_link, a_file, a_shared_folder, a_linked_lock, a_folder_for_a_lock])
def test_what_another_laid_there_is_refused_by_name_and_left_as_it_was(
    laid: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "theirs").mkdir()
    laid(folder, victim)
    with pytest.raises(Refused, match=str(folder)), alone(1):
        pytest.fail("measured under a lock that is not its own")
    assert victim.read_text() == "precious"
    assert not list((tmp_path / "theirs").iterdir())


def a_pipe(holder: Path, victim: Path) -> None:
    os.mkfifo(holder)


def a_folder(holder: Path, victim: Path) -> None:
    holder.mkdir()


@pytest.mark.parametrize("lay", [Path.symlink_to, a_pipe, a_folder])
def test_where_a_holder_tells_of_itself_nothing_is_waited_for_or_written_through(
    lay: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder.mkdir(mode=0o700)
    lay(folder / "holder.json", victim)
    with alone(1):
        assert _who(folder / "holder.json") == "another run"
    assert victim.read_text() == "precious"


def test_a_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    folder.with_name("oneblock-12345").mkdir(mode=0o700)
    with pytest.raises(Refused, match="another's"), alone(1):
        pytest.fail("measured under another's lock")


def test_a_temporary_folder_that_is_full_or_not_ours_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a-file" / "below"))
    (tmp_path / "a-file").write_text("")
    with pytest.raises(Refused, match="set TMPDIR"), alone(1):
        pytest.fail("measured without a lock")
