"""A script may end as it likes: the command's status is 0, 1, 2 or 130, and under --json there is one answer."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from oneblock.bench.commands import _app
from tests.helpers.oneblock_process import install, orphans, start

WORDS = ["kernel", "s.py", "--target", "neuron:trn2", "--json"]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("kernel"))


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(2)", 2, ""),
        ("import sys; sys.exit(5)", 1, ""),
        ("import sys; sys.exit(256)", 1, ""),
        ("import sys; sys.exit(10**30)", 1, ""),
        ("import sys; sys.exit('words of its own')", 1, "words of its own"),
        ("raise ValueError('\\udcff')", 1, "ValueError: "),
        ("raise BaseException('odd')", 1, "BaseException: odd"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("import os; os._exit(0)", 1, "ended its process itself, with status 0"),
        ("import os; os.abort()", 1, "killed by SIGABRT"),
        ("import os; os.closerange(3, 99)", 1, "ended its process itself"),
        ("import os; os.fork()", 0, ""),
        ("import os, sys; os.fork() and sys.exit(5)", 1, ""),
        ("import os; print('{}'); os.write(1, b'{}'); os.system('echo {}')", 0, "{}{}"),
        ("import sys; sys.stdout.close()", 0, ""),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(.3), print('late'))).start()", 0, "late"),
    ],
)
def test_however_a_script_ends_there_is_one_answer_and_a_status_that_is_documented(
    script: str, status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "s.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["oneblock", *WORDS])
    assert _app._status(False) == status
    out, err = capfd.readouterr()
    answer = json.loads(out)
    known = "ended its process" not in err and "killed by" not in err and status != 130
    assert ("calls" in answer) == known
    assert ("error" in answer) != known
    assert says in err.replace("}\n{", "}{")


def test_an_interruption_of_the_command_reaches_the_script_and_leaves_nothing(
    env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "s.py").write_text("import time; open('began', 'w').close(); time.sleep(600)")
    process = start(env, WORDS, tmp_path)
    while not (tmp_path / "began").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out) == {"error": "interrupted"}
    assert not orphans(env)


def test_a_script_dies_with_a_command_that_is_killed(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("import time; open('began', 'w').close(); time.sleep(600)")
    process = start(env, WORDS, tmp_path)
    while not (tmp_path / "began").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    assert not orphans(env)


@pytest.mark.parametrize("leave", ["", "os.fork() and os._exit(0); os.setsid();"], ids=["a child", "an orphan"])
def test_what_a_script_started_ends_with_it_and_holds_no_stream(
    env: dict[str, str], tmp_path: Path, leave: str
) -> None:
    code = f"import os, time; {leave} time.sleep(4242)"
    (tmp_path / "s.py").write_text(f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {code!r}])\n")
    out, _ = start(env, WORDS, tmp_path).communicate(timeout=60)
    assert "calls" in json.loads(out)
    assert not orphans(env)


def test_what_a_script_prints_without_json_stands_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.py").write_text("import sys; print(sys.argv)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["oneblock", *WORDS[:-1], "--", "--json", os.fsdecode(b"\xff")])
    assert _app._status(False) == 0
    assert capfd.readouterr().out == "['s.py', '--json', '\\udcff']\n"
