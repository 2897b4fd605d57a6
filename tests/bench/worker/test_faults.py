"""What goes wrong has a typed status and a sentence, leaves no process and no half record, and the run goes on."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import signal
import time
from pathlib import Path

import psutil
import pytest

from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import SCHEMA, Status
from oneblock.bench.records.store import LARGEST_RECORD_BYTES, Store, read_record
from tests.helpers.oneblock_process import marked, oneblock, oneblock_here, orphans, records_by_backend, start

NORM = ["run", "norm", "--preset", "tiny", "-T", "8", "--ops", "plain", "-o", "records"]


@pytest.mark.slow
def test_every_fault_has_its_status_and_the_run_goes_on(env: dict[str, str], tmp_path: Path) -> None:
    expected = {
        "crash_segv": (Status.CRASHED, "SIGSEGV while compiling"),
        "crash_kill": (Status.CRASHED, "SIGKILL while compiling"),
        "crash_exit": (Status.CRASHED, "exited with status 7 while compiling"),
        "crash_raise": (Status.CRASHED, "ZeroDivisionError"),
        "memory_error": (Status.OUT_OF_MEMORY, "Unable to allocate 1 EiB"),
        "broken": (Status.UNAVAILABLE, "libbroken.so: cannot open shared object file"),
        "needy": (Status.UNAVAILABLE, "a_toolchain_that_nobody_has is not installed"),
        "no_backend": (Status.UNAVAILABLE, "which is not a Backend"),
        "wrong_nan": (Status.FAILED, "not finite"),
        "wrong_zero": (Status.FAILED, "relative L2 error 1 >"),
        "wrong_stale": (Status.FAILED, "right before the timed loop and wrong in it"),
        "wrong_later": (Status.FAILED, "wrong in it"),
        "only_compiles": (Status.COMPILED, "no device here"),
        "compiles_in_call": (Status.PASSED, ""),
        "caches_results": (Status.INVALID, "for the same bytes again: results are kept"),
        "noisy": (Status.PASSED, ""),
        "reference": (Status.PASSED, ""),
    }
    chosen = [word for name in expected for word in ("--backend", name)]
    done = oneblock(env, *NORM, *chosen, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    found = records_by_backend(tmp_path)
    for name, (status, says) in expected.items():
        assert (name, found[name].status) == (name, status), found[name].reason
        assert says in (found[name].reason or ""), name
        assert status is Status.PASSED or name in done.stdout
        assert bool(found[name].launches) is (status in (Status.PASSED, Status.INVALID)), "a failure is never a number"
        if status is Status.UNAVAILABLE:
            assert found[name].hint
    assert {record.family for record in found.values()} == {"llama"}, "as that of a record of an older schema"
    assert any("about to read address zero" in line for line in found["crash_segv"].log_tail)
    assert any("1 // 0" in line for line in found["crash_raise"].log_tail)
    assert Cause.CALLS_COMPILE in {doubt.cause for doubt in found["compiles_in_call"].doubts}
    assert orphans(env) == []


@pytest.mark.slow
def test_a_hang_is_timed_out_and_its_children_die_with_it(env: dict[str, str], tmp_path: Path) -> None:
    few = ("--timeout", "15")  # seconds that a worker which does not hang has enough of, also on a busy machine
    chosen = ["--backend", "hang", "--backend", "hang_locked", "--backend", "reference", *few]
    oneblock(env, *NORM, *chosen, cwd=tmp_path)
    found = records_by_backend(tmp_path)
    for name in ("hang", "hang_locked"):
        assert found[name].status is Status.TIMED_OUT
        assert "still compiling after 15 s" in str(found[name].reason)
    assert found["reference"].status is Status.PASSED
    assert orphans(env) == []


def test_memory_beyond_the_bound_is_a_status(env: dict[str, str], tmp_path: Path) -> None:
    memory = "0.6"
    oneblock(env, *NORM, "--backend", "eat_memory", "--backend", "reference", "--memory", memory, cwd=tmp_path)
    found = records_by_backend(tmp_path)
    assert found["eat_memory"].status is Status.OUT_OF_MEMORY
    assert f"may use {memory} GiB" in str(found["eat_memory"].reason)
    assert found["reference"].status is Status.PASSED


SLOW = [*NORM, "--backend", "slow", "--backend", "reference", "--dtype", "float32", "--dtype", "bfloat16"]  # 4 cells


@pytest.mark.slow
def test_kill_9_of_the_parent_loses_no_finished_cell_and_leaves_nothing_running(
    env: dict[str, str], tmp_path: Path
) -> None:
    moments = random.Random(11)
    kept: dict[str, bytes] = {}
    for _ in range(5):
        process = start(env, SLOW, tmp_path)
        time.sleep(moments.uniform(0.5, 3.5))
        process.kill()
        process.communicate()
        assert orphans(env) == []
        for path in (tmp_path / "records").glob("*.json"):
            read_record(path)  # whole, or not there
            assert kept.setdefault(path.name, path.read_bytes()) == path.read_bytes(), "a finished cell was redone"
    done = oneblock(env, *SLOW, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, problems = Store(tmp_path / "records").records()
    assert (len(found), problems) == (4, [])
    assert kept.keys() <= {path.name for path, _ in found}
    if kept:
        assert f"{len(kept)} of 4 cells had a record already" in done.stderr


@pytest.mark.slow
def test_kill_9_of_a_worker_costs_its_own_cell_only(env: dict[str, str], tmp_path: Path) -> None:
    process = start(env, SLOW, tmp_path)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        workers = marked(env, "oneblock.bench.worker.main")
        with contextlib.suppress(psutil.NoSuchProcess):
            old = [p for p in workers if time.time() - p.create_time() > 0.8]  # in the middle of its calls, by then
            if old and list((tmp_path / "records").glob("*.json")):
                old[0].kill()
                break
        time.sleep(0.01)
    process.communicate(timeout=120)
    found, _ = Store(tmp_path / "records").records()
    statuses = sorted(record.status for _, record in found)
    assert len(statuses) == 4
    assert statuses.count(Status.PASSED) >= 2  # a reference shared by two cells may have been hit
    crashed = [record for _, record in found if record.status is Status.CRASHED]
    assert crashed
    assert all("SIGKILL" in str(record.reason) for record in crashed)
    assert oneblock(env, *SLOW, cwd=tmp_path).returncode == 0, "what crashed is tried again"


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(env: dict[str, str], tmp_path: Path) -> None:
    both = [start(env, SLOW, tmp_path) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, out + err
    found, problems = Store(tmp_path / "records").records()
    assert problems == []
    assert len({record.identity() for _, record in found}) == len(found) == 4


def test_an_interruption_says_how_to_go_on(env: dict[str, str], tmp_path: Path) -> None:
    process = start(env, [*NORM, "--backend", "slow", "--tier", "standard"], tmp_path)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("records/.partial/*/0.json")) and time.monotonic() < end:  # it is amidst measuring
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    assert orphans(env) == []


def bad_files(folder: Path, good: bytes) -> None:
    (folder / "truncated.json").write_bytes(good[: len(good) // 2])
    (folder / "foreign.json").write_text('{"name": "not ours"}')
    (folder / "list.json").write_text("[1, 2, 3]")
    (folder / "newer.json").write_bytes(good.replace(b'"schema": %d' % SCHEMA, b'"schema": 99'))
    (folder / "extra.json").write_bytes(good.replace(b'"schema": %d' % SCHEMA, b'"schema": %d, "surprise": 1' % SCHEMA))
    untimed = json.loads(good)
    untimed["launches"][0]["cold_s"] = []
    (folder / "untimed.json").write_text(json.dumps(untimed))
    (folder / "binary.json").write_bytes(bytes(range(256)))
    (folder / "deep.json").write_text("[" * 200_000)
    (folder / "folder.json").mkdir()
    with (folder / "huge.json").open("wb") as file:
        file.truncate(100 * 2**20)


def test_bad_files_in_the_records_directory_are_named_and_left_out(env: dict[str, str], tmp_path: Path) -> None:
    assert oneblock(env, *NORM, "--backend", "reference", cwd=tmp_path).returncode == 0
    (good,) = (tmp_path / "records").glob("*.json")
    bad_files(tmp_path / "records", good.read_bytes())
    again = oneblock(env, *NORM, "--backend", "reference", cwd=tmp_path)
    assert (again.returncode, "Traceback" in again.stderr) == (0, False), again.stderr
    for words in (["show"], ["report"], ["compare", "records", "records"]):
        done = oneblock_here(*words, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
        for bad in ("truncated", "foreign", "list", "newer", "extra", "untimed", "binary", "deep", "folder", "huge"):
            assert f"{bad}.json" in done.stderr, (words, bad)
        assert "upgrade oneblock" in done.stderr
    assert LARGEST_RECORD_BYTES < 100 * 2**20
    for words, says in (
        (["show", "records/newer.json"], "schema 99"),
        (["show", "records/huge.json"], "104,857,600 bytes, more than the 33,554,432"),
    ):
        done = oneblock_here(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr


def test_a_directory_that_cannot_be_used_is_told_before_anything_is_measured(
    env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for directory, says in (
        ("file", "cannot be written"),
        ("file/below", "cannot be written"),
        ("/proc/x", "cannot be"),
    ):
        done = oneblock(env, *NORM[:-1], directory, "--backend", "reference", cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    for command in ("show", "report"):
        done = oneblock_here(command, "-o", "nowhere", cwd=tmp_path)
        assert done.returncode == 2
        assert "oneblock run -o nowhere" in done.stderr


def test_a_full_disk_is_a_sentence_and_no_half_record(tmp_path: Path) -> None:
    """A file-size limit of a few bytes stands for the disk: the write fails in its middle."""
    store = Store(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(Exception, match="cannot be written to"):
            store.add_partial("x", 0, json.dumps(list(range(100))).encode())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
