"""What a measurement writes in the run's folder: a full disk, or what a backend left there, costs its cell alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.runs import measuring
from oneblock.bench.runs.measuring import Reference, References, measure
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.judge_job import JudgeJob
from oneblock.bench.worker.launch import Bounds
from oneblock.bench.worker.measure_job import MeasureJob, Measurement
from oneblock.bench.worker.reference_job import Proof
from oneblock.compilers.api.kind import Kind
from tests.bench.runs.test_partials import LAUNCH
from tests.helpers.cases import case

CELL = Cell(case("norm"), "float32", "reference", "plain", Target("cpu"))
BOUNDS = Bounds(1, 10.0, 2**30)
Lay = Callable[[Path], Any]


@dataclass
class Launches:
    """In the place of processes: a backend that lays something there, and a judge that keeps what it was given."""

    lay: Lay
    judged: list[bytes] = field(default_factory=list)

    def __call__(self, job: Any, *_: Any, **__: Any) -> Outcome[Any]:
        if isinstance(job, JudgeJob):
            self.judged.append(Path(job.reference).read_bytes())
            return Outcome(Status.CRASHED, reason="no verdict of this")
        self.lay(Path(job.answers).with_suffix(""))
        return Outcome(Status.PASSED, Kind.MEASURED, "cpu", result=Measurement(launch=LAUNCH))


def measured(monkeypatch: pytest.MonkeyPatch, folder: Path, lay: Lay) -> tuple[Outcome[Measurement], list[bytes]]:
    launches = Launches(lay)
    monkeypatch.setattr(measuring, "launch", launches)
    job = MeasureJob(CELL, "smoke", str(folder / "x.npz"), 0, True, 0, None)
    reference = Reference(Outcome(Status.PASSED, result=Proof(1)), b"the reference")
    return measure(job, reference, BOUNDS, folder), launches.judged


@pytest.mark.parametrize(
    "lay",
    [
        lambda path: os.mkfifo(path.with_suffix(".reference")),
        lambda path: path.with_suffix(".reference").symlink_to(path.with_name("precious")),
        lambda path: path.with_suffix(".reference").write_bytes(b"the answers of its own"),
        lambda path: path.with_suffix(".npz").mkdir(),
    ],
    ids=["a pipe", "a link", "a file", "a folder for the answers"],
)
def test_what_a_backend_lays_there_is_neither_waited_for_nor_written_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lay: Lay
) -> None:
    (tmp_path / "precious").write_text("as it was")
    outcome, judged = measured(monkeypatch, tmp_path, lay)
    assert outcome.status is Status.CRASHED
    assert judged == [b"the reference"]
    assert (tmp_path / "precious").read_text() == "as it was"
    assert not (tmp_path / "x.reference").exists()


def _full(path: Path) -> None:
    path.with_suffix(".reference").mkdir()


@pytest.mark.parametrize("lay", [_full, lambda path: path.parent.rename(path.parent.with_name("away"))])
def test_a_reference_that_cannot_be_written_is_its_cells_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lay: Lay
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    outcome, judged = measured(monkeypatch, folder, lay)
    assert (outcome.status, judged) == (Status.CRASHED, [])
    assert str(folder) in str(outcome.reason)
    assert "TMPDIR" in str(outcome.hint)


def test_a_folder_that_cannot_be_made_is_a_reason_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        measuring,
        "launch",
        lambda job, *_, **__: Path(job.path).write_bytes(b"r") and Outcome(Status.PASSED, result=Proof(1)),
    )
    references, folder = References(BOUNDS), tmp_path / "run"
    folder.write_text("in the way")
    failed = references.of(CELL, folder, lambda _: None).outcome
    assert (failed.status, failed.result) == (Status.CRASHED, None)
    assert str(folder) in str(failed.reason)
    folder.unlink()
    assert references.of(CELL, folder, lambda _: None).content == b"r"


@pytest.mark.parametrize(
    ("target", "cache_mib", "written_mib"), [("cpu", 48, 96), ("cpu", 0, 256), ("cuda", 48, 256), ("cuda", 512, 1024)]
)
def test_twice_a_known_cache_is_written_to_evict_it_and_of_a_device_never_less(
    target: str, cache_mib: int, written_mib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "last_level_cache_bytes", lambda: cache_mib * 2**20)
    assert measuring.flush_bytes(Target(target)) < 64 * 2**20, "of tests of everything else, which no verdict stands on"
    monkeypatch.delenv("ONEBLOCK_DISTURBANCE")
    assert measuring.flush_bytes(Target(target)) == written_mib * 2**20
