"""A log that is never silent for long: a line for each finished cell, and what goes on where that takes its time."""

from __future__ import annotations

import ast
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock import bench
from oneblock.backends.api.target import Target
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.cells.tiers import tier
from oneblock.bench.commands import _fitting, _progress
from oneblock.bench.commands._progress import finished_line
from oneblock.bench.format.units import duration
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store
from oneblock.bench.runs.fit import Fit
from oneblock.bench.runs.run import Run
from oneblock.bench.terminal import going
from oneblock.bench.terminal.going import EVERY_S, Heartbeat, going_on
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers import Detail
from tests.bench.report.test_report import ended, record
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.stage_records import store

FOLDER = Path(bench.__file__).parent


class Clock:
    """Time as a test has it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_said_before_it_is_time_and_then_what_is_being_done() -> None:
    said: list[str] = []
    clock = Clock()
    beat = Heartbeat(lambda: "starting", every_s=20, clock=clock, say=said.append)
    for clock.now in (5.0, 19.9):
        beat.beat()
    assert said == []
    beat.now("compiling")
    clock.now = 20.0
    beat.beat()
    beat.beat()
    assert said == ["compiling (20 s so far)"], "once"
    clock.now = 39.0
    beat.line("[1 of 2] done")
    clock.now = 58.0
    beat.beat()
    assert said[1:] == ["[1 of 2] done"], "a line of another sort is one, too"
    clock.now = 119.0
    beat.beat()
    assert said[2:] == ["compiling (1 min 59 s so far)"]


def test_no_silence_is_as_long_as_a_fault() -> None:
    assert EVERY_S * 1.25 < 30, "it looks four times in that while"


def test_it_beats_by_itself_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = threading.Event()
    with Heartbeat(lambda: "working", every_s=0.01, say=lambda _: heard.set()):
        assert heard.wait(30)
    heard.clear()
    assert not heard.wait(0.1), "and no longer"
    monkeypatch.setattr(going, "EVERY_S", 0.01)
    with going_on("never said", quiet=True) as tell:
        tell("nor this")
        assert not heard.wait(0.1)
    assert capsys.readouterr().err == ""


def test_looking_for_what_fits_is_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = threading.Event()
    monkeypatch.setattr(going, "EVERY_S", 0.01)
    monkeypatch.setattr(going.Heartbeat, "line", lambda self, sentence: (lines.append(sentence), heard.set()))
    lines: list[str] = []

    def fit(cell: Any, axis: str, within: Bounds, tell: Any) -> Fit:
        tell(cell, "does it fit?")
        heard.clear()
        assert heard.wait(30)
        return Fit(cell, None)

    monkeypatch.setattr(_fitting, "fit", fit)
    cell, asked = record().cell, CellQuery(*[()] * 10)
    assert _fitting.fitted(asked, [cell], "batch", "block", Bounds(1, 60, 2**30), quiet=False) == ([cell], [])
    assert any(line.startswith(f"{cell.name}  does it fit? (") for line in lines)


def test_a_finished_cell_has_its_count_its_outcome_and_the_time_left(tmp_path: Path) -> None:
    records = [record("a"), ended(Status.UNAVAILABLE, "b"), record("c"), record("d")]
    run = Run([one.cell for one in records], tier("smoke"), Store(tmp_path), Bounds(1, 60, 2**30))
    run.skipped = {records[3].cell}  # had its record before: neither counted nor waited for
    run.finished = {one.cell: one for one in (records[3], records[0])}
    run.progress.planned, run.progress.launches = 9, 3
    line = finished_line(run, records[0], 60.0)
    assert line.startswith(
        f"[1 of 3] {records[0].cell.name}: passed, 12.3 ms cold (1 min 00 s so far, about 2 min 00 s left)"
    )
    run.finished |= {one.cell: one for one in records}
    run.progress.launches = 9
    said = finished_line(run, records[1], 90.0)
    assert said == f"[3 of 3] {records[1].cell.name}: unavailable, b ended so (1 min 30 s so far)"


def test_a_run_in_a_log_says_a_line_for_each_cell_that_it_measures(tmp_path: Path) -> None:
    words = ["run", "norm", "--preset", "tiny", "-T", "8", "--backend", "reference"]
    done = oneblock_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(" ")[:3] for line in done.stderr.splitlines() if line.startswith("[")] == [["[1", "of", "1]"]]
    more = oneblock_here(*words, "--dtype", "float32", "--dtype", "bfloat16", cwd=tmp_path)
    (line,) = [line for line in more.stderr.splitlines() if line.startswith("[")]
    assert line.startswith("[1 of 1] norm-tiny-prefill-B1-T8-bfloat16-reference-plain-cpu: passed, "), (
        "not what was there"
    )
    assert "1 of 2 cells had a record already" in more.stderr
    quiet = oneblock_here(*words, "--again", "--json", cwd=tmp_path)
    assert "[1 of" not in quiet.stderr


def test_cells_that_are_only_compiled_have_their_lines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = record("xla_tpu").cell.__class__(record().cell.case, "float32", "xla_tpu", "plain", Target.parse("tpu:v5e"))
    run = Run([cell], tier("smoke"), Store(tmp_path), Bounds(1, 60, 2**30))
    heard: list[str] = []
    run.go(lambda _: None, lambda one: heard.append(f"{one.cell.name} {run.progress.launches}"))
    assert heard == [f"{cell.name} {run.progress.planned}"]


def test_whatever_takes_long_tells_it_by_one_way() -> None:
    """A spinner of its own would be silent in a log."""
    ways = {
        path.relative_to(FOLDER).as_posix(): {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            for name in (ast.unparse(node.func),)
            if name.endswith(").status") or name in ("Live", "Progress", "out.status")
        }
        for path in FOLDER.rglob("*.py")
    }
    assert {path: found for path, found in ways.items() if found} == {
        "commands/_progress.py": {"Progress"},
        "fleet/fleet_run.py": {"Progress"},  # the count of cells
        "runs/run.py": {"Progress"},  # the count of launches
        "runs/tuning.py": {"Live"},
        "terminal/going.py": {"out.status"},
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (12000, "3 h 20 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_keeping_every_pass_is_said_with_what_it_takes(tmp_path: Path) -> None:
    folder = Store(tmp_path / "records")
    cells = [record("jax_xla").cell, record("jax_xla", T=32).cell, record("torch_eager").cell]
    assert "hundreds of MB and minutes for each cell" in _progress.cost_of_all(cells, folder)
    assert "are free there" in _progress.cost_of_all(cells, folder)
    assert not folder.directory.exists()
    store(folder.directory, replace(record("jax_xla"), detail=Detail.DEFAULT), hlo="x" * 9000)
    assert "hundreds of MB" in _progress.cost_of_all(cells, folder), "of fewer stages nothing follows"
    store(folder.directory, replace(record("jax_xla"), detail=Detail.ALL), hlo="x" * 2**20, passes="y" * 2**20)
    said = _progress.cost_of_all(cells, folder)
    assert "about 4 MiB for 2 cells, as it came to in " in said
    assert "and of 1 cells nothing is known" in said
