"""Running the `oneblock` command as a person does, with fake backends installed as a third party's."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from oneblock.bench.commands import _app
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from tests.helpers.fakes import FAKES

MARK = "ONEBLOCK_TEST_MARK"
COMMAND = [sys.executable, "-m", "oneblock.bench"]


@cache
def cache_folder() -> str:
    """Where all processes of these tests keep what they find out: limits are measured and scripts joined once."""
    folder = tempfile.mkdtemp(prefix="oneblock-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def publish(folder: Path, package: str, code: str, points: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """An environment in which somebody's package is installed, of one module with entry points by group and name."""
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{n} = {package}:{of}\n" for n, of in each.items()) for group, each in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "XDG_CACHE_HOME": cache_folder(), "TMPDIR": str(folder), "PYTHONPATH": path}


def install(folder: Path) -> dict[str, str]:
    """An environment in which the fakes are installed, and which marks every process started in it."""
    shutil.copy(Path(__file__).with_name("fakes.py"), folder / "oneblock_fakes.py")
    (folder / "oneblock_broken.py").write_text("raise ImportError('libbroken.so: cannot open shared object file')\n")
    (folder / "oneblock_needy.py").write_text("import a_toolchain_that_nobody_has\n")
    info = folder / "oneblock_fakes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oneblock-fakes\nVersion: 1.0\n")
    points = [f"{name} = oneblock_fakes:{name}" for name in FAKES]
    points += ["broken = oneblock_broken:X", "needy = oneblock_needy:X", "no_backend = oneblock_fakes:FAKES"]
    (info / "entry_points.txt").write_text("[oneblock.backends]\n" + "\n".join(points) + "\n")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    own = {"XDG_CACHE_HOME": cache_folder(), "TMPDIR": str(folder)}  # a lock of its own, and no scraps elsewhere
    return {**os.environ, **own, "PYTHONPATH": path, MARK: str(folder)}


def oneblock(
    env: dict[str, str], *words: str, cwd: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*COMMAND, *words], env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout)


def oneblock_here(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, which costs no start: for what a command refuses, or reads and prints.

    Without what `main` does beside that with its process, its signals and its streams.
    """
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with contextlib.chdir(cwd), streams[0], streams[1], pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["oneblock", *words])
        code = _app._status(debug=False)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def on_a_terminal(words: Sequence[str], typed: str = "", **env: str) -> str:
    """What a command sends to a terminal that stands at both its ends, where somebody types."""
    master, slave = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", "PAGER": "cat"} | env
    process = subprocess.Popen([*COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    os.write(master, typed.encode())
    got = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # EIO: how Linux says that the other side is closed
            break
        if not piece:
            break
        got += piece
    os.close(master)
    assert process.wait(30) == 0, got
    return got.decode()


def start(
    env: dict[str, str], words: Sequence[str], cwd: Path, command: Sequence[str] = COMMAND
) -> subprocess.Popen[str]:
    """Start a command, to do something to it while it runs; it listens to Ctrl-C even where a shell's jobs do not."""

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *words], env=env, cwd=cwd, preexec_fn=listen, **pipes)


def marked(env: dict[str, str], running: str = "") -> list[psutil.Process]:
    """The living processes that were started in this environment, by whomever, with a command line of such words."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) != env[MARK] or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if running in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def orphans(env: dict[str, str], within_s: float = 5.0) -> list[psutil.Process]:
    """What still lives after a grace."""
    end = time.monotonic() + within_s
    while (left := marked(env)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def records_by_backend(folder: Path) -> dict[str, Record]:
    """What a run in a folder wrote to `records` there, of which all can be read."""
    found, problems = Store(folder / "records").records()
    assert problems == []
    return {record.cell.backend: record for _, record in found}
