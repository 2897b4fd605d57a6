"""Whatever a backend does to the pipe, to its children or to its answer is the status of its own cell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from oneblock.compilers.api.process import hold_standard_streams
from tests.helpers.oneblock_process import COMMAND, install, oneblock, orphans

NORM = ["run", "norm", "--preset", "tiny", "-T", "8", "--ops", "plain", "-o", "records"]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One environment, whose limits are measured once."""
    made = install(tmp_path_factory.mktemp("fakes"))
    oneblock(made, "run", "norm", "--preset", "tiny", "--backend", "reference", cwd=tmp_path_factory.mktemp("warm"))
    return made


def records(folder: Path) -> dict[str, Record]:
    found, problems = Store(folder / "records").records()
    assert problems == []
    return {record.cell.backend: record for _, record in found}


def expect(env: dict[str, str], folder: Path, expected: dict[str, tuple[Status, str]], *words: str) -> None:
    """Run these backends and `reference` after each other: each ends as expected, and leaves nothing behind."""
    chosen = [word for name in expected for word in ("--backend", name)]
    done = oneblock(env, *NORM, *chosen, "--backend", "reference", *words, cwd=folder, timeout=240)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    found = records(folder)
    for name, (status, says) in expected.items():
        assert (name, found[name].status) == (name, status), found[name].reason
        assert says in (found[name].reason or ""), name
    assert found["reference"].status is Status.PASSED
    assert orphans(env) == []


def test_what_comes_through_the_pipe_is_heard_as_a_strangers(env: dict[str, str], tmp_path: Path) -> None:
    expected = {
        "flood_endless": (Status.CRASHED, "wrote more than 64 MiB to the pipe of its answers while compiling"),
        "flood_lines": (Status.CRASHED, "wrote more than 64 MiB to the pipe of its answers while xxx"),
        "says_no_phase": (Status.CRASHED, "said what no worker says: phase.name: Field required"),
        "says_escapes": (Status.CRASHED, "phase.name: Value error, expected printable characters alone"),
        "says_unknown": (Status.CRASHED, "said what no worker says: : Input tag 'rest'"),
    }
    expect(env, tmp_path, expected)


def test_a_child_ends_with_its_worker_however_it_left_it(env: dict[str, str], tmp_path: Path) -> None:
    expected = {"stray": (Status.PASSED, ""), "stray_crash": (Status.CRASHED, "killed by SIGKILL while compiling")}
    expect(env, tmp_path, expected)


def test_time_is_over_for_one_that_closed_the_pipe_and_says_nothing(env: dict[str, str], tmp_path: Path) -> None:
    expect(env, tmp_path, {"hang_silent": (Status.TIMED_OUT, "still compiling after 30 s")}, "--timeout", "30")


def test_nothing_of_the_working_folder_is_imported(env: dict[str, str], tmp_path: Path) -> None:
    for name in ("random", "json", "numpy", "selectors", "statistics", "safetensors", "pydantic", "psutil", "cpuinfo"):
        (tmp_path / f"{name}.py").write_text("open('EXECUTED', 'a').write(__name__)\n")
    done = oneblock(env, *NORM, "--backend", "reference", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "EXECUTED").exists()


def test_closed_standard_streams_take_no_pipe(env: dict[str, str], tmp_path: Path) -> None:
    words = [*COMMAND, *NORM, "--backend", "reference"]
    script = 'exec "$@" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, "sh", *words], env=env, cwd=tmp_path, timeout=120)
    assert done.returncode == 0
    assert records(tmp_path)["reference"].status is Status.PASSED


def test_what_is_closed_of_the_standard_streams_is_opened_and_nothing_else() -> None:
    code = (
        "import os; from oneblock.compilers.api.process import hold_standard_streams as hold; "
        "os.close(0); os.close(2); hold(); held = [os.readlink(f'/proc/self/fd/{i}') for i in range(3)]; print(held)"
    )
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held = eval(done.stdout)
    assert (held[0], held[2]) == (os.devnull, os.devnull)
    assert held[1].startswith("pipe:")
    before = os.fstat(0)
    hold_standard_streams()
    assert os.fstat(0) == before
