"""Cells over a real cluster of Ray's: each once, whatever ends meanwhile, and the same records as of one machine.

`nox -s fleet` has Ray, and none of this skips there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from oneblock.bench.records.record import Record, Status
from tests.fleet.conftest import Here
from tests.helpers.oneblock_process import COMMAND
from tests.helpers.tree_copy import copied

pytestmark = pytest.mark.skipif(
    not os.environ.get("ONEBLOCK_REQUIRE_FLEET"), reason="Ray has a session: `nox -s fleet`"
)


def compared(record: Record) -> tuple[object, ...]:
    """What two machines must tell alike of a cell that is only compiled."""
    return record.identity(), record.status, record.facts, record.artifacts, record.check, record.costs


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All that a driver started, and that lives."""
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process], within_s: float = 20) -> bool:
    return not psutil.wait_procs(processes, within_s)[1]


def test_records_are_those_of_one_machine(here: Here) -> None:
    done = here.run(1, 2, 3, 4)
    assert done.returncode == 0, done.stderr
    core = min(os.sched_getaffinity(0))
    alone = here.words(1, 2, 3, 4, on="", records="alone")
    subprocess.run(["taskset", "-c", str(core), *alone], env=here.env, check=True, capture_output=True)
    assert {compared(one) for one in here.records()} == {compared(one) for one in here.records("alone")}
    for name in ("records", "alone"):
        texts = {path.name: path.read_bytes() for path in (here.folder / name / "artifacts").iterdir()}
        assert len(texts) == 5, "one a batch, and one that all have"
    states = [one.environment.state for one in here.records()]
    assert all(state["ray"] and state["node"] for state in states)
    assert len({state["node"] for state in states}) > 1


def test_what_is_done_is_not_done_again_and_comes_by_a_client_as_well(here: Here) -> None:
    assert here.run(1, 2).returncode == 0
    again = subprocess.run(here.words(1, 2, 3, on=here.ray.url), env=here.env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "2 of 3 cells had a record already" in again.stderr
    assert len(here.compiled()) == len(here.records()) == 3


def test_a_node_that_dies_costs_its_cells_in_flight(fresh: Here) -> None:
    for _ in range(3):
        fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_S": "1"})
    batches = range(20, 36)
    driver = fresh.start(*batches)
    fresh.until(lambda: (fresh.folder / "records").exists() and len(fresh.records()) >= 3)
    there = len(fresh.records())
    fresh.ray.nodes[1].kill()
    flying = len(fresh.compiled()) - there
    _, err = driver.communicate(timeout=240)
    assert driver.returncode == 0, err
    assert len({one.cell for one in fresh.records()}) == len(fresh.records()) == len(batches)
    assert len(batches) <= len(fresh.compiled()) <= len(batches) + flying, "what was in flight, and no more"


def test_a_driver_that_is_killed_goes_on_with_the_same_command(fresh: Here) -> None:
    for _ in range(2):
        fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_S": "0.5"})
    batches = range(20, 32)
    driver = fresh.start(*batches)
    fresh.until(lambda: (fresh.folder / "records").exists() and len(fresh.records()) >= 3)
    started = below(driver)
    driver.kill()
    driver.communicate()
    assert gone(started)
    there = len(fresh.records())
    done = fresh.run(*batches)
    assert done.returncode == 0, done.stderr
    assert f"{there} of {len(batches)} cells had a record already" in done.stderr
    assert len({one.cell for one in fresh.records()}) == len(fresh.records()) == len(batches)
    assert len(fresh.compiled()) <= len(batches) + 4, "those in flight or on their way, of two nodes"


def test_one_driver_adds_to_a_folder(here: Here) -> None:
    first = here.start(13)
    here.until(lambda: len(here.compiled()) == 1)
    second = here.run(1)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another run over a fleet adds to this folder" in second.stderr
    assert here.run(1).returncode == 0, "the kernel frees the lock"


def test_a_worker_that_hangs_and_one_that_dies_are_statuses_of_their_cells(here: Here) -> None:
    done = here.run(1, 13, 14, more=("--timeout=4",))
    assert done.returncode == 1
    found = {one.cell.case.B: one for one in here.records()}
    assert {batch: one.status for batch, one in found.items()} == {
        1: Status.COMPILED, 13: Status.TIMED_OUT, 14: Status.CRASHED,
    }  # fmt: skip
    assert "SIGABRT" in str(found[14].reason)


def test_ctrl_c_keeps_what_came_and_ends_what_runs(here: Here) -> None:
    driver = here.start(1, 2, 13, more=("--json",))
    here.until(lambda: (here.folder / "records").exists() and len(here.records()) == 2)
    started = below(driver)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "2 of 3 cells are done; the same command goes on from here" in err
    assert gone(started)
    assert not [one for one in psutil.process_iter(["cmdline"]) if "oneblock.bench.worker" in str(one.info["cmdline"])
                and one.environ().get("ONEBLOCK_WAITS_LOG") == str(here.log)], "nor on a node"  # fmt: skip


def test_ctrl_c_twice_ends_at_once(here: Here) -> None:
    driver = here.start(13)
    here.until(lambda: len(here.compiled()) == 1)
    started = below(driver)
    before = time.monotonic()
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert time.monotonic() - before < 10
    assert gone(started)


def test_a_cluster_that_is_gone_amid_the_run_is_said_and_the_rest_done_by_another(fresh: Here) -> None:
    fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_S": "0.5"})
    driver = fresh.start(*range(20, 28))
    fresh.until(lambda: (fresh.folder / "records").exists() and len(fresh.records()) >= 2)
    fresh.ray.nodes[0].kill()
    _, err = driver.communicate(timeout=240)
    assert driver.returncode == 1
    assert "the cluster is gone" in err or "no node is left" in err
    there = len(fresh.records())
    done = subprocess.run(fresh.words(*range(20, 28), on="ray"), env=fresh.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{there} of 8 cells had a record already" in done.stderr, "on whatever machine a fleet had"


def test_each_node_does_what_it_has_and_one_of_another_oneblock_is_left_out_by_name(
    fresh: Here,
) -> None:
    fresh.ray.start(fresh.env)
    fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_ABSENT": "1"})
    another = copied(fresh.folder / "another")
    with (another / "oneblock/bench/fleet/node.py").open("a") as source:
        source.write("# of another day\n")
    fresh.ray.start(fresh.env | {"PYTHONPATH": f"{another}{os.pathsep}{fresh.env['PYTHONPATH']}"})
    done = fresh.run(*range(20, 26))
    assert done.returncode == 0, done.stderr
    assert {one.status for one in fresh.records()} == {Status.COMPILED}, "none went where the toolchain is absent"
    assert "is left out: expected the oneblock of this machine" in done.stderr
    told = subprocess.run([*COMMAND, "doctor", "--on", fresh.ray.address, "--backend=waits", "--json"],
                          env=fresh.env, capture_output=True, text=True)  # fmt: skip
    said = json.loads(told.stdout)
    assert told.returncode == 0
    assert len(said["nodes"]) == 2
    assert len(said["refused"]) == 1
    assert sorted(node["backends"][0]["reason"] or "" for node in said["nodes"])[1].startswith("waits is not installed")


def test_a_cell_that_times_takes_a_machine_as_a_whole(here: Here) -> None:
    words = [*COMMAND, "run", "norm", "--preset=tiny", "-T16", "--phase=prefill", "--backend=reference",
             "-B1", "-B2", "--on", here.ray.address, "-o", str(here.folder / "records")]  # fmt: skip
    done = subprocess.run(words, env=here.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {one.status for one in here.records()} == {Status.PASSED}
    assert all(one.launches and one.limits for one in here.records())


def test_a_cluster_of_another_release_of_ray_is_refused(fresh: Here) -> None:
    other = os.environ.get("ONEBLOCK_OTHER_RAY")
    if other is None:
        pytest.skip("ONEBLOCK_OTHER_RAY names no `ray` of another release")
    fresh.ray.start(fresh.env, ray=Path(other))
    for on in (fresh.ray.address, fresh.ray.url):
        done = subprocess.run(fresh.words(1, on=on), env=fresh.env, capture_output=True, text=True)
        assert done.returncode == 2
        assert "ersion" in done.stderr, done.stderr
        assert "expected a cluster of Ray's that takes this driver" in done.stderr
    assert not fresh.compiled()


def test_a_node_without_disk_is_left_out_by_name(fresh: Here, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("a disk of 2 MiB is mounted by root alone")
    try:
        fresh.ray.start(fresh.env)
        fresh.ray.start(fresh.env, tmp=small)
        done = fresh.run(1, 2, 3)
        assert done.returncode == 0, done.stderr
        assert "is left out: the disk of" in done.stderr
        assert len(fresh.records()) == 3
    finally:
        for node in fresh.ray.nodes:
            node.kill()
        subprocess.run(["umount", "-l", small], check=True)


def test_a_node_whose_clock_is_an_hour_off_takes_part_and_is_named(fresh: Here) -> None:
    folder = fresh.folder / "clock"  # which every Python process of that node reads, Ray's and ours
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import time\nright = time.time\ntime.time = lambda: right() + 3600\n")
    ahead = {"PYTHONPATH": f"{folder}{os.pathsep}{fresh.env['PYTHONPATH']}"}
    fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_S": "0.5"})
    fresh.ray.start(fresh.env | {"ONEBLOCK_WAITS_S": "0.5"} | ahead)
    done = fresh.run(*range(20, 26))
    assert done.returncode == 0, done.stderr
    assert re.search(r"its clock is \+3(599|6\d\d) s from this machine's", done.stderr), done.stderr
    by = {one.environment.state["node"]: one.environment.state["clock_ahead_s"] for one in fresh.records()}
    assert sorted(round(float(str(ahead_s)) / 3600) for ahead_s in by.values()) == [0, 1], "each did some"
    again = fresh.run(*range(20, 26))
    assert "6 of 6 cells had a record already" in again.stderr, "whatever the clock of who made it"


def test_searches_are_done_by_nodes(here: Here) -> None:
    words = [*COMMAND, "tune", "norm", "--preset=tiny", "-T16", "--backend=waits", "--target=cuda:sm_90"]
    by = [subprocess.run([*words, "--json", *on], env=here.env, capture_output=True, text=True) for on in
          ([], ["--on", here.ray.address])]  # fmt: skip
    assert by[1].returncode == 0, by[1].stderr  # the other also times what was found, which the plug-in has nowhere
    alone, fleet = (json.loads(one.stdout) for one in by)
    assert fleet["found"] == alone["found"] != {}
    assert len(fleet["found"]) == 3
