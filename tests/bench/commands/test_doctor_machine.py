"""`oneblock doctor --machine`: its advice follows from what it sees, and a machine that lost rounds cannot measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oneblock.bench.commands import _machine
from oneblock.bench.records.disturbance import Pace, Spread
from oneblock.bench.records.record import Environment
from oneblock.bench.runs import same_again
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.same_again import Again
from oneblock.bench.worker.contention import Shares
from oneblock.bench.worker.launch import Bounds
from tests.helpers.oneblock_process import cache_folder, oneblock_here

_QUIET = Shares(0.0, 0.0, 0.0)


@pytest.fixture
def ceilings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CeilingCache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return CeilingCache(Environment({"cpu": "test"}, {}, {}), Bounds(1, 10.0, 2**30))


def _advice(ceilings: CeilingCache, shares: Shares | None, *again: Again, governor: str | None = None) -> str:
    here = Environment({"cpu": "test"}, {}, {"cpu_governor": governor})
    busy = [{"pid": 7, "name": "compiler", "cores": 1.0}]
    return "\n".join(_machine._advice(here, ceilings, shares, busy, list(again)))


def test_who_disturbs_is_named_with_what_to_do(ceilings: CeilingCache) -> None:
    assert "compiler (pid 7, 1.0 cores)" in _advice(ceilings, Shares(1.0, 0.0, 0.0))
    assert "hypervisor keeps 0.5" in _advice(ceilings, Shares(0.0, 0.5, 0.0))
    assert "cpu.max" in _advice(ceilings, Shares(0.0, 0.0, 0.2))
    assert "cpupower" in _advice(ceilings, _QUIET, governor="powersave")
    assert "canary alone" in _advice(ceilings, None)
    assert "compiler" not in _advice(ceilings, _QUIET, governor="performance")


def test_a_slow_machine_and_lost_rounds_are_told(ceilings: CeilingCache) -> None:
    ceilings.known.pace, ceilings.seen = Pace(1e-4, None), Pace(2e-4, None)
    assert "2.0x slower" in _advice(ceilings, _QUIET)
    assert "1 of 3 measurements gave no time" in _advice(ceilings, _QUIET, Again("reference", (1.0, 1.1), 1, "others"))


def test_memory_that_is_quick_at_times_is_told() -> None:
    """As where a hypervisor moves two CPUs between dies; some per cent are chance, and no read says nothing."""
    (told,) = _machine._of_memory([5.1e10, 4.8e10], 8e10)
    assert "48 to 80 GB/s" in told
    assert not [*_machine._of_memory([7.2e10, 7.8e10], 8e10), *_machine._of_memory([], 8e10)]
    assert not [*_machine._of_memory([5e10], None)]


def test_the_answer_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    steady = {
        "backend": "reference",
        "medians_s": [1.0, 1.01],
        "disturbed": 0,
        "spread": {"share": 0.01, "degrees": 20},
    }
    _machine.show({"advice": [], "rounds": [steady]})
    first, then = capsys.readouterr().out.splitlines()[:2]
    assert first == "This machine can measure now."
    assert "differ by 1.0%" in then
    _machine.show({"advice": ["it is busy"], "rounds": [steady | {"disturbed": 4}]})
    assert capsys.readouterr().out.startswith("This machine cannot measure well now.\n  it is busy")


def test_a_tier_of_more_processes_finds_less() -> None:
    restless = Spread(0.05, 20)
    assert _machine.least_found(restless, "standard") < _machine.least_found(restless, "smoke")


@pytest.mark.slow
def test_the_command_learns_how_processes_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache_folder())  # where other tests have learnt the limits
    monkeypatch.setattr(same_again, "_ROUNDS", 2)
    monkeypatch.setattr(_machine, "_LOOK_S", 0.1)
    done = oneblock_here("doctor", "--machine", "--backend", "reference", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    (again,) = said["rounds"]
    assert (len(again["medians_s"]), again["disturbed"]) == (2, 0), again["reason"]
    assert any(name.startswith("reference|") and one["degrees"] >= 1 for name, one in said["spreads"].items())
    kept = [
        json.loads(path.read_text())["spreads"] for path in Path(cache_folder(), "oneblock").glob("unwatched-*.json")
    ]
    assert said["spreads"] in kept
