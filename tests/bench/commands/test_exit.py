"""Exit status and JSON, whatever the standard streams are and however it ends: 0, 1, 2 or 130, and one answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import StatisticsError
from typing import Any

import pytest

from oneblock.bench.commands import _app
from oneblock.bench.commands._app import cli
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.store import Store
from tests.bench.report.test_report import record
from tests.helpers.oneblock_process import COMMAND, install, oneblock, start

_ONEBLOCK = " ".join(COMMAND)
status = partial(_app._status, False)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("exit"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of one record."""
    folder = tmp_path_factory.mktemp("study")
    Store(folder / "records").add(record())
    return folder


def shell(env: dict[str, str], study: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, with the exit status of the first command in it."""
    told = f"set -o pipefail; {line}; echo ${{PIPESTATUS[0]}} >&3"
    read_end, write_end = os.pipe()
    words = ["bash", "-c", told.replace(">&3", f">&{write_end}")]
    done = subprocess.run(words, env=env, cwd=study, capture_output=True, text=True, pass_fds=[write_end], check=False)
    os.close(write_end)
    with open(read_end) as file:
        done.returncode = int(file.read())
    return done


def test_a_reader_that_leaves_is_no_failure_and_the_work_is_done(env: dict[str, str], study: Path) -> None:
    for words in ("show", "schema", "--help"):
        done = shell(env, study, f"{_ONEBLOCK} {words} | true")
        assert (done.returncode, done.stderr) == (0, ""), words
    done = shell(env, study, f"{_ONEBLOCK} report --to left.html | true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "</html>" in (study / "left.html").read_text()
    assert shell(env, study, f"{_ONEBLOCK} rn --json 2>/dev/null | true").returncode == 2, "a mistake stays one"


def test_a_full_standard_output_is_status_2_and_the_work_is_done(env: dict[str, str], study: Path) -> None:
    for words in ("show", "schema", "--version", "report --to full.html"):
        done = shell(env, study, f"{_ONEBLOCK} {words} >/dev/full")
        assert done.returncode == 2, words
        assert done.stderr == "oneblock: standard output does not take the answer: No space left on device\n", words
    assert "</html>" in (study / "full.html").read_text()


@pytest.mark.parametrize("streams", ["2>/dev/full", ">&- 2>&- <&-"])
def test_other_streams_do_not_change_the_status(env: dict[str, str], study: Path, streams: str) -> None:
    for words, status in (("show", 0), ("rn", 2)):
        assert shell(env, study, f"{_ONEBLOCK} {words} {streams}").returncode == status


@pytest.mark.parametrize("how", ["PYTHONIOENCODING=ascii", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"])
def test_an_encoding_that_lacks_a_sign_hides_nothing(env: dict[str, str], study: Path, how: str) -> None:
    for words in ("show", "show plain"):
        done = subprocess.run(
            ["bash", "-c", f"{how} {_ONEBLOCK} {words}"], env=env, cwd=study, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_a_folder_whose_name_is_no_utf_8_is_read_and_written_to(env: dict[str, str], study: Path) -> None:
    name = os.fsdecode(b"r\xff")
    Store(study / name).add(record())
    for words in (["report"], ["show"]):
        done = oneblock(env, *words, "-o", name, cwd=study)
        assert (done.returncode, done.stderr) == (0, ""), words
    assert json.loads(oneblock(env, "report", "-o", name, "--json", cwd=study).stdout)["records"] == 1


@pytest.mark.parametrize(
    "words",
    [
        "--json",
        "rn --json",
        "--json show",
        "--debug rn --json",
        "run --json --oops",
        "run -T many --json",
        "run --json blok",
        "show --json -o nowhere",
        "show --json nothing-like-it",
        f"show --json {'a' * 5000}.json",
        f"show --json -o {'a' * 5000}",
        "compare --json a b",
        "compare --json",
        "diff --json a b",
        "report --json nowhere.tar.gz",
        "report --json --to /proc/nowhere/page.html",
        "reproduce --json nothing",
        "kernel --json nothing.py --target neuron:trn2",
        "tune --json --rpc nonsense",
        "bisect --json --of numbers blok",
        "export --json",
        "doctor --json --backend refrence",
        "schema --json surplus",
    ],
)
def test_a_mistake_under_json_is_one_object_with_the_sentence(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["oneblock", *words.split()])
    assert status() == 2
    out, err = capsys.readouterr()
    (key,) = answer = json.loads(out)
    assert key == "error"
    assert answer[key]
    assert f"oneblock: {answer[key]}" in err
    assert "a fault of oneblock" not in answer[key]


def test_json_among_the_words_of_a_script_is_the_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["oneblock", *["kernel", "nothing.py", "--target", "neuron:trn2", "--", "--json"]])
    assert status() == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied", "some/file"), "some/file: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("threads"), "unexpected KeyError"),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "no"), "unexpected UnicodeEncodeError"),
        (StatisticsError("no median for empty data"), "unexpected StatisticsError"),
        (Refused("expected this, got that"), "expected this, got that"),
        (LookupError("did you mean that"), "did you mean that"),
    ],
)
def test_what_is_no_sentence_of_ours_is_not_told_as_one(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    monkeypatch.setattr("sys.argv", ["oneblock", "--json"])
    assert status() == 2
    assert json.loads(capsys.readouterr().out)["error"].startswith(says)


@pytest.mark.parametrize("command", [COMMAND, [str(Path(sys.executable).with_name("oneblock"))]], ids=["-m", "script"])
def test_ctrl_c_amid_the_imports_of_a_command_is_130_whatever_code_it_strikes(
    env: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    strike = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(1)\n"
    (tmp_path / "rich.py").write_text(f"exec({strike!r})\n")
    path = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    process = start({**env, "PYTHONPATH": path}, ["show"], tmp_path, command)
    assert (process.communicate(timeout=60)[1].strip(), process.returncode) == ("oneblock: interrupted", 130)
