"""A time that is not that of the whole work is refused, for its own reason, whoever gives it in whatever way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.in_hand import refused
from oneblock.bench.records.record import Status
from oneblock.bench.runs.measuring import Reference, References, measure
from oneblock.bench.worker.measure_job import MeasureJob
from oneblock.bench.worker.watch import Bounds
from tests.helpers import cheats
from tests.helpers.cases import case
from tests.helpers.cheats import CHEATS
from tests.helpers.oneblock_process import publish

BOUNDS = Bounds(threads=1, timeout_s=120, memory_bytes=2 * 2**30)
FLUSHED = 2**26  # bytes: it takes longer than the work of a cheat


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> object:
    """They are a third party's backends."""
    folder = tmp_path_factory.mktemp("installed")
    code = Path(cheats.__file__).read_text()
    env = publish(folder, "oneblock_cheats", code, {"oneblock.backends": {name: name for name in CHEATS}})
    with pytest.MonkeyPatch.context() as patched:
        for name, value in env.items():
            if os.environ.get(name) != value:
                patched.setenv(name, value)
        yield


def cell(name: str) -> Cell:
    return Cell(case("mlp", n=16), "float32", name, "plain", Target("cpu"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return References(BOUNDS).of(cell("reference"), tmp_path_factory.mktemp("reference"), lambda event: None)


def verdict(name: str, reference: Reference, folder: Path) -> tuple[Status, str | None, bool]:
    """(how it ends, why, whether something could be told of its time) where it is measured once."""
    job = MeasureJob(cell(name), "smoke", str(folder / "answers.npz"), 0, True, FLUSHED, None)
    outcome = measure(job, reference, BOUNDS, folder)
    launch = None if outcome.result is None else outcome.result.launch
    if launch is None or launch.in_hand is None:
        return outcome.status, outcome.reason, True
    reason = refused((launch,), "cpu")
    told = reason is not None or launch.in_hand.enough(launch.fresh_s)
    return Status.PASSED if reason is None else Status.INVALID, reason, told


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_refused_for_its_own_reason(
    name: str, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHEATS_FOLDER", str(tmp_path))
    expected, says = CHEATS[name].expected
    for _ in range(5):
        status, reason, told = verdict(name, reference, tmp_path)
        if told:
            break
    else:
        pytest.skip("its cores were shared all the time: the number is doubted, and nobody accused")
    assert (status, reason) == (expected, reason)
    assert says in str(reason)
