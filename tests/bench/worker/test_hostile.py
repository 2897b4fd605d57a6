"""Whatever a backend does to the pipe, to its children or to its answer is the status of its own cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store
from oneblock.bench.worker import launch
from oneblock.compilers.api.process import open_closed_streams
from tests.helpers.oneblock_process import COMMAND, marked, oneblock, orphans, records_by_backend, start

NORM = ["run", "norm", "--preset", "tiny", "-T", "8", "--ops", "plain", "-o", "records"]


def expect(env: dict[str, str], folder: Path, expected: dict[str, tuple[Status, str]], *words: str) -> None:
    """Run these backends and `reference` after each other: each ends as expected, and leaves nothing behind."""
    chosen = [word for name in expected for word in ("--backend", name)]
    done = oneblock(env, *NORM, *chosen, "--backend", "reference", *words, cwd=folder, timeout=240)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    found = records_by_backend(folder)
    for name, (status, says) in expected.items():
        assert (name, found[name].status) == (name, status), found[name].reason
        assert says in (found[name].reason or ""), name
    assert found["reference"].status is Status.PASSED
    assert orphans(env) == []


@pytest.mark.slow
def test_what_comes_through_the_pipe_is_heard_as_a_strangers(env: dict[str, str], tmp_path: Path) -> None:
    expected = {
        "flood_endless": (Status.CRASHED, "wrote more than 64 MiB to the pipe of its answers while compiling"),
        "flood_lines": (Status.CRASHED, "wrote more than 64 MiB to the pipe of its answers while xxx"),
        "says_no_phase": (Status.CRASHED, "said what no worker says: phase.name: Field required"),
        "says_escapes": (Status.CRASHED, "phase.name: Value error, expected printable characters alone"),
        "says_unknown": (Status.CRASHED, "said what no worker says: : Input tag 'rest'"),
    }
    expect(env, tmp_path, expected)


@pytest.mark.slow
def test_an_answer_is_validated_as_a_strangers(env: dict[str, str], tmp_path: Path) -> None:
    expected = {
        "answers_nothing": (Status.CRASHED, "outcome.outcome: Field required"),
        "answers_oddly": (Status.CRASHED, "answered what no MeasureJob answers: status: Input should be"),
        "answers_a_list": (Status.CRASHED, "answered what no MeasureJob answers"),
        "forges": (Status.CRASHED, "passed, and no result"),
        "forges_interpreted": (Status.CRASHED, "interpreted, and no answers that could be judged"),
        "peak_nan": (Status.CRASHED, "launch.device_peak_bytes: Input should be a finite number"),
        "peak_text": (Status.CRASHED, "launch.device_peak_bytes: Input should be a valid integer"),
        "peak_huge": (Status.CRASHED, "launch.device_peak_bytes: Input should be less than"),
        "peak_negative": (Status.CRASHED, "launch.device_peak_bytes: Input should be greater than or equal to 0"),
        "surrogate": (Status.CRASHED, r"RuntimeError: \udc80"),
    }
    expect(env, tmp_path, expected)


def test_what_a_backend_removes_or_leaves_behind_is_not_the_next_ones_fault(
    env: dict[str, str], tmp_path: Path
) -> None:
    expect(env, tmp_path, {"removes_scratch": (Status.CRASHED, "No such file"), "litters": (Status.CRASHED, "SIGKILL")})
    left = [path.name for path in Path(env["TMPDIR"]).iterdir() if "litter" in path.name or "oneblock-run" in path.name]
    assert left == []


def test_a_folder_that_cannot_be_had_is_the_status_of_each_cell(env: dict[str, str], tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    code = "import sys, tempfile; tempfile.tempdir = sys.argv[1]; " + _LAUNCH
    done = subprocess.run(
        [sys.executable, "-c", code, gone], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("crashed " + gone)
    assert "No such file or directory" in done.stdout
    assert "TMPDIR" in done.stdout


_LAUNCH = """
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.watch import Bounds
from oneblock.bench.worker.probe_job import ProbeJob
ended = launch(ProbeJob(("reference",)), Bounds(1, 30.0, 2**30))
print(ended.status, ended.reason, ended.hint)
"""


def test_a_full_disk_is_named_by_the_cell_that_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(f_bavail=3, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr(launch.os, "statvfs", lambda path: full)
    assert launch._full(tmp_path / "x") == f"the disk of {tmp_path} is full (12 KiB free)"
    full.f_bavail, full.f_files = 2**20, 1000  # room, and no name for a file
    assert "is full" in str(launch._full(tmp_path / "x"))
    full.f_favail = 10
    assert launch._full(tmp_path / "x") is None


def test_ctrl_c_drops_what_is_queued_to_be_compiled(env: dict[str, str], tmp_path: Path) -> None:
    words = [*NORM, "mlp", "attention", "--backend", "slow_elsewhere", "--target", "cuda:sm_80", "--threads", "2"]
    dtypes = [word for dtype in ("float32", "bfloat16", "float16") for word in ("--dtype", dtype)]
    process = start(env, [*words, *dtypes], tmp_path)  # of more than a dozen cells
    end = time.monotonic() + 90
    while not list(tmp_path.glob("records/*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert orphans(env) == []
    found, problems = Store(tmp_path / "records").records()
    assert problems == []
    assert 1 <= len(found) <= 6, "those that were done, and not those that waited"
    assert {record.status for _, record in found} == {Status.COMPILED}


def test_a_second_ctrl_c_ends_at_once(env: dict[str, str], tmp_path: Path) -> None:
    for apart_s in (0.0, 0.05, 0.3):
        process = start(env, [*NORM, "--backend", "slow", "--tier", "standard"], tmp_path)
        while not marked(env, "oneblock.bench.worker"):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        time.sleep(apart_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, apart_s
        assert "interrupted" in err
        assert "Traceback" not in err
        assert orphans(env) == []


def test_a_child_ends_with_its_worker_however_it_left_it(env: dict[str, str], tmp_path: Path) -> None:
    expected = {"stray": (Status.PASSED, ""), "stray_crash": (Status.CRASHED, "killed by SIGKILL while compiling")}
    expect(env, tmp_path, expected)


@pytest.mark.slow
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
    assert records_by_backend(tmp_path)["reference"].status is Status.PASSED


def test_what_is_closed_of_the_standard_streams_is_opened_and_nothing_else() -> None:
    code = (
        "import os; from oneblock.compilers.api.process import open_closed_streams as hold; "
        "os.close(0); os.close(2); hold(); held = [os.readlink(f'/proc/self/fd/{i}') for i in range(3)]; print(held)"
    )
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held = eval(done.stdout)
    assert (held[0], held[2]) == (os.devnull, os.devnull)
    assert held[1].startswith("pipe:")
    before = os.fstat(0)
    open_closed_streams()
    assert os.fstat(0) == before
