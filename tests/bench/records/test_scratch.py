"""A folder for the time being is gone at its end, or with the next one after its owner was killed; nobody else's is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oneblock.bench.records import scratch as module
from oneblock.bench.records.scratch import scratch

_HOLD = """
import sys, time
from pathlib import Path
from oneblock.bench.records.scratch import scratch
with scratch("run", Path(sys.argv[1])) as folder:
    (folder / "data").write_text("x")
    print(folder, flush=True)
    time.sleep(4242)
"""


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> None:
    """Each test sweeps, as each process does once."""
    module._sweep.cache_clear()


def test_it_is_gone_at_the_end_whatever_became_of_it(tmp_path: Path) -> None:
    with scratch("run", tmp_path) as kept, scratch("run", tmp_path) as removed:
        assert kept != removed
        (kept / "below").mkdir()
        (kept / "below" / "file").write_text("x")
        (kept / "link").symlink_to(tmp_path)
        shutil.rmtree(removed)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_owner_left_is_swept_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    holders = [
        subprocess.Popen([sys.executable, "-c", _HOLD, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    dead, living = [Path(holder.stdout.readline().strip()) for holder in holders if holder.stdout is not None]
    assert (dead / "data").exists()
    holders[0].kill()
    holders[0].communicate()
    with scratch("run", tmp_path):
        assert not dead.exists()
        assert (living / "data").exists()
    holders[1].send_signal(signal.SIGTERM)
    holders[1].communicate()
    assert living.exists()
    module._sweep.cache_clear()
    with scratch("tune", tmp_path):
        assert not living.exists()


def test_what_is_not_one_of_them_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".owner").touch()
    within = tmp_path / "within"
    names = ["oneblock-notes", "oneblock-run-abcdefgh", "oneblock-run-abcdefgi", "oneblock-run-abcdefgj"]
    for name in names:
        (within / name).mkdir(parents=True)
        (within / name / "mine").write_text("x")
    (within / names[0] / ".owner").touch()  # of another name than ours
    os.mkfifo(within / names[2] / ".owner")
    (within / names[3] / ".owner").symlink_to(outside / ".owner")
    (within / "oneblock-run-abcdefgk").symlink_to(outside)
    (within / "oneblock-run-abcdefgl").write_text("a file")
    before = sorted(within.rglob("*"))
    with scratch("run", within):
        pass
    assert sorted(within.rglob("*")) == before
    assert (outside / ".owner").exists()


def test_one_that_was_swept_as_it_was_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, made = module.fcntl.flock, []

    def swept_before(descriptor: int, how: int) -> None:
        if not made:
            (folder,) = tmp_path.iterdir()
            made.append(folder)
            shutil.rmtree(folder)
        lock(descriptor, how)

    monkeypatch.setattr(module.fcntl, "flock", swept_before)
    with scratch("run", tmp_path) as folder:
        assert folder.is_dir()
        assert folder not in made


def test_folders_of_others_are_not_taken_for_one_of_them() -> None:
    """A compiler's, which has no owner's file and is empty at first, was removed by a sweep at that moment."""
    root = Path(module.__file__).parents[2]
    found = [
        prefix
        for folder in ("backends", "compilers", "bench/cells", "labs")
        for path in (root / folder).rglob("*.py")
        for prefix in re.findall(r'prefix="([^"]+)"', path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 5
    assert [prefix for prefix in found if module._NAME.fullmatch(f"{prefix}ab12cd_9")] == []
